import type { Resource } from '../core/resource.js';
import { codeableConcept, derivedHead, traceExtensions } from './derived.js';
import type { DocumentEnvelope } from './document.js';
import { dosages } from './dosage.js';
import { attribute, type Fact } from './fact.js';
import { fhirDate, whenOf } from './when.js';

export const RXNORM = 'http://www.nlm.nih.gov/research/umls/rxnorm';

/** medication-statement-status of R4 by what the words say about taking it. */
function status(fact: Fact): string {
  const said = attribute(fact, 'status')?.normalized;
  if (said === 'stop') return 'stopped';
  if (said === 'hold') return 'on-hold';
  const { temporality } = fact.mentions[0]!.assertion;
  if (temporality === 'planned') return 'intended';
  if (temporality === 'past') return 'completed';
  return 'active';
}

/** A medication the patient takes, took or is to take. */
export function medicationStatement(fact: Fact, id: string, document: DocumentEnvelope): Resource {
  const when = whenOf(fact, document);
  const reason = attribute(fact, 'reason');
  const dosage = dosages(fact);
  const asserted = fhirDate(document.date);
  return {
    ...derivedHead(
      'MedicationStatement',
      id,
      'derived-medication-statement',
      traceExtensions(document, fact, when.source),
    ),
    status: status(fact),
    medicationCodeableConcept: codeableConcept(fact),
    subject: { reference: document.subject },
    ...(document.encounter && { context: { reference: document.encounter } }),
    ...(when.source === 'text' && when.end
      ? { effectivePeriod: { ...(when.date && { start: when.date }), end: when.end } }
      : when.source === 'text' && when.date
        ? { effectiveDateTime: when.date }
        : {}),
    ...(asserted && { dateAsserted: asserted }),
    derivedFrom: [{ reference: `DocumentReference/${document.documentId}` }],
    ...(reason && { reasonCode: [{ text: reason.text }] }),
    ...(dosage && { dosage }),
  };
}
