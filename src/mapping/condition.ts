import type { Resource } from '../core/resource.js';
import { codeableConcept, derivedHead, traceExtensions } from './derived.js';
import type { DocumentEnvelope } from './document.js';
import { attribute, type Fact } from './fact.js';
import { bodySite, snomed } from './snomed.js';
import { whenOf } from './when.js';

const CLINICAL = 'http://terminology.hl7.org/CodeSystem/condition-clinical';
const VERIFICATION = 'http://terminology.hl7.org/CodeSystem/condition-ver-status';

const SEVERITIES: Readonly<Record<string, string>> = {
  '255604002': 'Mild',
  '6736007': 'Moderate',
  '24484000': 'Severe',
};

/** A diagnosis or symptom of the patient as an unconfirmed Condition. */
export function condition(fact: Fact, id: string, document: DocumentEnvelope): Resource {
  const when = whenOf(fact, document);
  const past = fact.mentions[0]!.assertion.temporality === 'past';
  const stopped = attribute(fact, 'status')?.normalized === 'stop';
  const severity = attribute(fact, 'severity')?.normalized;
  const site = bodySite(fact);
  const status = stopped ? 'resolved' : past ? undefined : 'active';
  return {
    ...derivedHead('Condition', id, 'derived-condition', traceExtensions(document, fact, when.source)),
    ...(status && { clinicalStatus: { coding: [{ system: CLINICAL, code: status }] } }),
    verificationStatus: { coding: [{ system: VERIFICATION, code: 'unconfirmed' }] },
    ...(fact.kind === 'symptom' && { category: [snomed('418799008', 'Symptom')] }),
    ...(severity && SEVERITIES[severity] && { severity: snomed(severity, SEVERITIES[severity]) }),
    code: codeableConcept(fact),
    ...(site && { bodySite: [site] }),
    subject: { reference: document.subject },
    ...(document.encounter && { encounter: { reference: document.encounter } }),
    ...(when.source === 'text' && when.end && when.date
      ? { onsetPeriod: { start: when.date, end: when.end } }
      : when.source === 'text' && when.date
        ? { onsetDateTime: when.date }
        : {}),
    ...(document.date && { recordedDate: whenOf({ ...fact, attributes: [] }, document).date }),
    evidence: [{ detail: [{ reference: `DocumentReference/${document.documentId}` }] }],
  };
}
