import type { Resource } from '../core/resource.js';
import { derivedHead, derivedId, sourceExtensions } from './derived.js';
import type { DocumentEnvelope } from './document.js';

const PARTICIPANT = 'http://terminology.hl7.org/CodeSystem/provenance-participant-type';

/**
 * One Provenance for all facts of a document version. `recorded` is the document version's own instant: a second
 * run of the same pipeline over the same version must make the same resource.
 */
export function provenance(facts: readonly Resource[], document: DocumentEnvelope): Resource {
  return {
    ...derivedHead(
      'Provenance',
      derivedId(document, 'provenance', '', 0),
      'derived-provenance',
      sourceExtensions(document),
    ),
    target: facts.map((f) => ({ reference: `${f.resourceType}/${f.id}` })),
    recorded: document.recorded,
    activity: {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-DataOperation', code: 'CREATE' }],
    },
    agent: [
      {
        type: { coding: [{ system: PARTICIPANT, code: 'assembler', display: 'Assembler' }] },
        who: { display: `Cenote clinical text pipeline ${document.pipeline}` },
      },
      ...(document.authors ?? []).slice(0, 5).map((who) => ({
        type: { coding: [{ system: PARTICIPANT, code: 'author', display: 'Author' }] },
        who,
      })),
    ],
    entity: [
      {
        role: 'source',
        what: { reference: `DocumentReference/${document.documentId}/_history/${document.documentVersion}` },
      },
    ],
  };
}
