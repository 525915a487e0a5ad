import type { Resource } from '../core/resource.js';
import { codeableConcept, derivedHead, traceExtensions } from './derived.js';
import type { DocumentEnvelope } from './document.js';
import type { Fact } from './fact.js';
import { whenOf } from './when.js';

/** A vaccine given. R4 demands an occurrence; where nobody dates it, it is the word "unknown". */
export function immunization(fact: Fact, id: string, document: DocumentEnvelope): Resource | undefined {
  const { temporality } = fact.mentions[0]!.assertion;
  // A vaccine that is due is no immunization, and R4 has no status for it.
  if (temporality === 'planned') return undefined;
  const when = whenOf(fact, document);
  const known = when.source === 'text' || temporality === 'current' ? when.date : undefined;
  return {
    ...derivedHead('Immunization', id, 'derived-immunization', traceExtensions(document, fact, when.source)),
    status: 'completed',
    vaccineCode: codeableConcept(fact),
    patient: { reference: document.subject },
    ...(document.encounter && { encounter: { reference: document.encounter } }),
    ...(known ? { occurrenceDateTime: known } : { occurrenceString: 'unknown' }),
    primarySource: false,
  };
}
