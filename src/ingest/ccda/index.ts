import { Fault, invalid } from '../../core/fault.js';
import { stringifyJson } from '../../core/json.js';
import type { Resource } from '../../core/resource.js';
import type { TextExtractor } from '../extractor.js';
import { bounded } from '../extractor.js';
import { idOf, instant } from '../hl7-values.js';
import { type Attachment, textAttachment } from '../original.js';
import { decodeXml } from '../xml.js';
import { type Element, parseXml } from './element.js';
import { assigned, encompassingEncounter, listed, organization, patient, type Who } from './header.js';
import { narrative, sectionsOf, wordsById } from './narrative.js';
import type { Subject } from './statement.js';
import { statementsOf } from './statements.js';
import { type Context, concept, identifier, identifiers, interval, period, time } from './values.js';

/** Largest C-CDA document, in bytes. */
export const MAX_CCDA_BYTES = 64 * 1024 * 1024;

/**
 * What a C-CDA document says, as FHIR: whom it is about, who wrote it, the document itself with all its words and the
 * original, and its structured entries. Ids follow from identifiers. Files (the original, an embedded PDF) stand inline
 * in the DocumentReference.
 * @throws Fault `invalid` where it is no well-formed XML, has a document type, or is about nobody; `unsupported` for a
 *   part of a document
 */
export function mapClinicalDocument(bytes: Buffer): Resource[] {
  if (bytes.length > MAX_CCDA_BYTES)
    throw new Fault('too-large', `the document is larger than ${MAX_CCDA_BYTES} bytes`);
  const document = clinicalDocument(bytes);
  const role = document.at('recordTarget', 'patientRole');
  if (!role)
    throw invalid(
      'The document does not say whom it is about.',
      'recordTarget',
      'Give it a recordTarget with a patientRole.',
    );
  const written = document.at('effectiveTime')?.get('value');
  const context: Context = {
    sender: { facility: 'ccda', zone: zoneOf(written) },
    words: wordsById(document),
  };
  const out = new Collected();
  const person = patient(role, context);
  if (person.identifier === undefined && person.name === undefined) {
    throw invalid(
      'The patient has neither an identifier nor a name.',
      'recordTarget.patientRole',
      'Give an id or a name.',
    );
  }
  const patientId = person.id!;
  out.add(person);
  const add = (who: Who | undefined) => out.add(...(who?.resources ?? []));
  const stay = encompassingEncounter(document.at('componentOf', 'encompassingEncounter'), patientId, context);
  if (stay) out.add(stay.resource, ...stay.people);
  const authors = document.all('author').flatMap((author) => assigned(author.at('assignedAuthor')) ?? []);
  authors.forEach(add);
  const custodian = organization(
    document.at('custodian', 'assignedCustodian', 'representedCustodianOrganization'),
  );
  add(custodian);
  out.add(
    reference(document, bytes, {
      patientId,
      encounterId: stay?.resource.id,
      authors,
      custodian,
      context,
      written,
    }),
  );
  const subject: Subject = { ...context, patientId, encounterId: undefined, names: add };
  for (const section of sectionsOf(document)) out.add(...statementsOf(section, subject));
  return out.resources();
}

function clinicalDocument(bytes: Uint8Array): Element {
  const document = parseXml(decodeXml(bytes));
  if (document.name !== 'ClinicalDocument') {
    throw new Fault('unsupported', 'the XML is no ClinicalDocument', {
      remedy: 'Of XML only whole C-CDA documents are read, not parts of them.',
    });
  }
  return document;
}

function zoneOf(timestamp: string | undefined): string | undefined {
  const match = /([+-]\d{2})(\d{2})$/.exec(timestamp ?? '');
  return match ? `${match[1]}:${match[2]}` : undefined;
}

interface Header {
  readonly patientId: string;
  readonly encounterId: string | undefined;
  readonly authors: readonly Who[];
  readonly custodian: Who | undefined;
  readonly context: Context;
  readonly written: string | undefined;
}

const RELATIONS: Readonly<Record<string, string>> = { RPLC: 'replaces', APND: 'appends', XFRM: 'transforms' };

function reference(document: Element, bytes: Buffer, header: Header): Resource {
  const { context, patientId, encounterId, written } = header;
  const own = identifier(document.at('id'));
  const idFor = (id: Element | undefined, otherwise: string) => {
    const found = identifier(id);
    return found
      ? idOf('DocumentReference', found.system, found.value)
      : idOf('DocumentReference', patientId, otherwise);
  };
  const type = concept(document.at('code'), context);
  const title = document.at('title')?.text();
  const when = instant(written, context.sender);
  const words = narrative(document);
  const service = period(interval(document.at('documentationOf', 'serviceEvent', 'effectiveTime'), context));
  const day = time(document.at('effectiveTime'), context);
  const during = service ?? (day ? { start: day } : undefined);
  const around = {
    ...(encounterId && { encounter: [{ reference: `Encounter/${encounterId}` }] }),
    ...(during && { period: during }),
  };
  const relations = document.all('relatedDocument').flatMap((relation) => {
    const code = RELATIONS[relation.get('typeCode') ?? ''];
    const parent = relation.at('parentDocument', 'id');
    return code && identifier(parent)
      ? [{ code, target: { reference: `DocumentReference/${idFor(parent, '')}` } }]
      : [];
  });
  const confidentiality = document.at('confidentialityCode')?.get('code');
  const attachments: Attachment[] = [
    ...(words ? [textAttachment(words)] : []),
    ...embedded(document),
    { contentType: 'application/xml', data: bytes.toString('base64'), ...(title && { title }) },
  ];
  return {
    resourceType: 'DocumentReference',
    id: idFor(document.at('id'), written ?? ''),
    ...(own && { masterIdentifier: own }),
    ...listed('identifier', identifiers(document).slice(1)),
    status: 'current',
    ...(type && { type }),
    category: [
      {
        coding: [
          {
            system: 'http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category',
            code: 'clinical-note',
          },
        ],
      },
    ],
    subject: { reference: `Patient/${patientId}` },
    ...(when && { date: when }),
    ...listed(
      'author',
      header.authors.map((who) => who.reference),
    ),
    ...(header.custodian && { custodian: header.custodian.reference }),
    ...listed('relatesTo', relations),
    ...(title && { description: title }),
    ...(confidentiality &&
      /^[A-Z]{1,2}$/.test(confidentiality) && {
        securityLabel: [
          {
            coding: [
              { system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: confidentiality },
            ],
          },
        ],
      }),
    content: attachments.map((attachment) => ({ attachment })),
    ...(Object.keys(around).length > 0 && { context: around }),
  };
}

/** The file of an unstructured document. One that is only referred to is not fetched. */
function embedded(document: Element): Attachment[] {
  const text = document.at('component', 'nonXMLBody', 'text');
  const contentType = text?.get('mediaType') ?? 'text/plain';
  if (!text) return [];
  if (text.get('representation') === 'B64') {
    const bytes = Buffer.from(text.text().replace(/\s+/g, ''), 'base64');
    return bytes.length > 0 ? [{ contentType, data: bytes.toString('base64') }] : [];
  }
  const words = text.text();
  return words && !text.at('reference') ? [textAttachment(words)] : [];
}

/** The words of a C-CDA document that stands in a DocumentReference. */
export const ccdaExtractor: TextExtractor = {
  name: 'ccda',
  reads: (type) =>
    [
      'application/xml',
      'text/xml',
      'application/hl7-sdwg+xml',
      'application/cda+xml',
      'application/hl7-cda+xml',
    ].includes(type),
  async extract(bytes) {
    return { text: bounded(narrative(clinicalDocument(bytes))), toOriginal: () => 0 };
  },
};

/**
 * Resources by type and id. Senders give one identifier to several statements; the same words again are one resource,
 * other words another.
 */
class Collected {
  readonly #byId = new Map<string, Resource>();

  add(...resources: readonly (Resource | undefined)[]): void {
    for (const resource of resources) {
      if (!resource) continue;
      const shared = ['Patient', 'Practitioner', 'Organization', 'Encounter'].includes(resource.resourceType);
      for (let ordinal = 0; ; ordinal++) {
        const id = ordinal === 0 ? resource.id! : idOf(resource.resourceType, resource.id!, String(ordinal));
        const key = `${resource.resourceType}/${id}`;
        const known = this.#byId.get(key);
        if (!known) this.#byId.set(key, { ...resource, id });
        if (
          !known ||
          shared ||
          stringifyJson({ ...known, id: '' }) === stringifyJson({ ...resource, id: '' })
        )
          break;
      }
    }
  }

  resources(): Resource[] {
    return [...this.#byId.values()];
  }
}
