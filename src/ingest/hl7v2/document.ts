import type { CodeableConcept, Resource } from '../../core/resource.js';
import { dateTime, idOf, instant } from '../hl7-values.js';
import { noteType } from '../note.js';
import { type Attachment, textAttachment } from '../original.js';
import { entityIdentifier } from './datatypes.js';
import { type Subject, subjectOf } from './history.js';
import type { Segment } from './message.js';
import { listed, practitioner } from './people.js';

/** Types of documents (TXA-2, HL7 table 0270) as LOINC documents. */
const DOCUMENT_TYPES: Readonly<Record<string, readonly [code: string, display: string]>> = {
  CN: ['11488-4', 'Consult note'],
  DI: ['18748-4', 'Diagnostic imaging study'],
  DS: ['18842-5', 'Discharge summary'],
  ED: ['34111-5', 'Emergency department Note'],
  HP: ['34117-2', 'History and physical note'],
  OP: ['11504-8', 'Surgical operation note'],
  PN: ['28570-0', 'Procedure note'],
  PR: ['11506-3', 'Progress note'],
  SP: ['11526-1', 'Pathology study'],
  TS: ['18761-7', 'Transfer summary note'],
};
/** TXA-19, table 0273; and TXA-17, table 0271. */
const CANCELLED = new Set(['CA', 'OB']);
const DOC_STATUSES: Readonly<Record<string, string>> = {
  AU: 'final',
  LA: 'final',
  DI: 'preliminary',
  DO: 'preliminary',
  IN: 'preliminary',
  IP: 'preliminary',
  PA: 'preliminary',
};

/** MIME type of the data of an ED (tables 0191 and 0291). */
function mimeType(type: string | undefined, subtype: string | undefined): string {
  const sub = subtype?.toLowerCase() ?? '';
  const known: Readonly<Record<string, string>> = {
    pdf: 'application/pdf',
    rtf: 'application/rtf',
    html: 'text/html',
    jpeg: 'image/jpeg',
    png: 'image/png',
    gif: 'image/gif',
    tiff: 'image/tiff',
    'x-hl7-cda-level-one': 'application/xml',
    xml: 'application/xml',
    plain: 'text/plain',
    text: 'text/plain',
  };
  if (known[sub]) return known[sub];
  return type?.toLowerCase() === 'text' ? 'text/plain' : 'application/octet-stream';
}

/** The documents that OBX segments carry: their words joined, and each encapsulated file. */
export function contents(obx: readonly Segment[]): Attachment[] {
  const lines = obx
    .filter((segment) => ['TX', 'FT', 'ST'].includes(segment.get(2) ?? ''))
    .map((segment) => segment.text(5) ?? '');
  const words = lines.join('\n').trim();
  const files = obx.flatMap((segment): Attachment[] => {
    if (segment.get(2) !== 'ED') return [];
    const data = segment.get(5, 5)?.replace(/\s+/g, '');
    if (!data) return [];
    const contentType = mimeType(segment.get(5, 2), segment.get(5, 3));
    const encoding = segment.get(5, 4)?.toLowerCase();
    if (encoding === 'hex') return [{ contentType, data: Buffer.from(data, 'hex').toString('base64') }];
    if (encoding === 'base64') {
      const bytes = Buffer.from(data, 'base64');
      return bytes.length > 0 ? [{ contentType, data: bytes.toString('base64') }] : [];
    }
    return [{ contentType, data: Buffer.from(segment.get(5, 5)!, 'utf8').toString('base64') }];
  });
  return [...(words ? [textAttachment(words)] : []), ...files];
}

/** TXA with the OBX segments behind it. Undefined where it brings no document, only news of one. */
export function document(
  txa: Segment,
  obx: readonly Segment[],
  subject: Subject,
): { resource: Resource; people: Resource[] } | undefined {
  const attachments = contents(obx);
  if (attachments.length === 0) return undefined;
  const { sender } = subject;
  const unique = entityIdentifier(txa.at(12), sender);
  const parent = entityIdentifier(txa.at(13), sender);
  const when = txa.get(4) ?? txa.get(6) ?? txa.get(7);
  const authors = [...txa.repetitions(9), ...txa.repetitions(5)].flatMap(
    (xcn) => practitioner(xcn, sender) ?? [],
  );
  const start = dateTime(when, sender);
  const signed = instant(txa.get(22, 15) ?? txa.get(7) ?? when, sender);
  return {
    people: authors.flatMap(({ resource }) => resource ?? []),
    resource: reference(
      unique
        ? idOf('DocumentReference', unique.system, unique.value)
        : idOf('DocumentReference', subject.patientId, subject.message, txa.get(1) ?? ''),
      {
        ...listed('identifier', [unique]),
        status: CANCELLED.has(txa.get(19) ?? '') ? 'entered-in-error' : 'current',
        ...(DOC_STATUSES[txa.get(17) ?? ''] && { docStatus: DOC_STATUSES[txa.get(17)!] }),
        ...(documentType(txa) && { type: documentType(txa) }),
        ...(signed && { date: signed }),
        ...listed(
          'author',
          authors.map(({ reference: who }) => who),
        ),
        ...(parent &&
          unique &&
          parent.value !== unique.value && {
            relatesTo: [
              {
                code: 'replaces',
                target: {
                  reference: `DocumentReference/${idOf('DocumentReference', parent.system, parent.value)}`,
                },
              },
            ],
          }),
      },
      attachments,
      start,
      subject,
    ),
  };
}

function documentType(txa: Segment): CodeableConcept | undefined {
  const code = txa.get(2);
  if (!code) return undefined;
  const known = DOCUMENT_TYPES[code];
  const text = txa.get(2, 2) ?? known?.[1] ?? code;
  const coding = known ? { system: 'http://loinc.org', code: known[0], display: known[1] } : noteType(text);
  return { ...(coding && { coding: [coding] }), text };
}

/** A report of an order that is a written document. */
export function reportDocument(
  from: {
    id: string;
    code: CodeableConcept | undefined;
    text: string | undefined;
    effective: string | undefined;
    issued: string | undefined;
  },
  files: readonly Attachment[],
  subject: Subject,
): Resource | undefined {
  const attachments = [...(from.text ? [textAttachment(from.text)] : []), ...files];
  if (attachments.length === 0) return undefined;
  return reference(
    idOf('DocumentReference', from.id),
    {
      status: 'current',
      ...(from.code && { type: from.code }),
      ...(from.issued && { date: from.issued }),
    },
    attachments,
    from.effective,
    subject,
    { related: [{ reference: `DiagnosticReport/${from.id}` }] },
  );
}

function reference(
  id: string,
  elements: Record<string, unknown>,
  attachments: readonly Attachment[],
  start: string | undefined,
  subject: Subject,
  more: Record<string, unknown> = {},
): Resource {
  const context = {
    ...(subject.encounterId && { encounter: [{ reference: `Encounter/${subject.encounterId}` }] }),
    ...(start && { period: { start } }),
    ...more,
  };
  return {
    resourceType: 'DocumentReference',
    id,
    ...elements,
    subject: subjectOf(subject),
    content: attachments.map((attachment) => ({ attachment })),
    ...(Object.keys(context).length > 0 && { context }),
  };
}
