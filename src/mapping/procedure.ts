import type { Resource } from '../core/resource.js';
import { codeableConcept, derivedHead, traceExtensions } from './derived.js';
import type { DocumentEnvelope } from './document.js';
import type { Fact } from './fact.js';
import { procedureCategory } from './procedure-category.js';
import { bodySite } from './snomed.js';
import { whenOf } from './when.js';

/**
 * A procedure done, or one in preparation. Done in the past without a date: all that is known is that it ended
 * before the note, and that is what performedPeriod then says.
 */
export function procedure(fact: Fact, id: string, document: DocumentEnvelope): Resource {
  const when = whenOf(fact, document);
  const { temporality } = fact.mentions[0]!.assertion;
  const site = bodySite(fact);
  const category = procedureCategory(fact);
  const planned = temporality === 'planned';
  let performed: object = {};
  if (when.source === 'text' && when.end) {
    performed = { performedPeriod: { ...(when.date && { start: when.date }), end: when.end } };
  } else if (when.source === 'text' && when.date) {
    performed = { performedDateTime: when.date };
  } else if (when.date && !planned) {
    performed =
      temporality === 'past' ? { performedPeriod: { end: when.date } } : { performedDateTime: when.date };
  }
  return {
    ...derivedHead('Procedure', id, 'derived-procedure', traceExtensions(document, fact, when.source)),
    status: planned ? 'preparation' : 'completed',
    ...(category && { category }),
    code: codeableConcept(fact),
    subject: { reference: document.subject },
    ...(document.encounter && { encounter: { reference: document.encounter } }),
    ...performed,
    ...(site && { bodySite: [site] }),
    report: [{ reference: `DocumentReference/${document.documentId}` }],
  };
}
