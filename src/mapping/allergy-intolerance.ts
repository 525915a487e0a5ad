import type { Resource } from '../core/resource.js';
import { codeableConcept, derivedHead, traceExtensions } from './derived.js';
import type { DocumentEnvelope } from './document.js';
import type { Fact } from './fact.js';
import { fhirDate, whenOf } from './when.js';

const CLINICAL = 'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical';
const VERIFICATION = 'http://terminology.hl7.org/CodeSystem/allergyintolerance-verification';

/** An allergy or intolerance, or the coded statement that none is known. */
export function allergyIntolerance(fact: Fact, id: string, document: DocumentEnvelope): Resource {
  const when = whenOf(fact, document);
  const recorded = fhirDate(document.date);
  const reactions = fact.attributes.filter((a) => a.type === 'reaction');
  return {
    ...derivedHead(
      'AllergyIntolerance',
      id,
      'derived-allergy-intolerance',
      traceExtensions(document, fact, when.source),
    ),
    clinicalStatus: { coding: [{ system: CLINICAL, code: 'active' }] },
    verificationStatus: { coding: [{ system: VERIFICATION, code: 'unconfirmed' }] },
    code: codeableConcept(fact),
    patient: { reference: document.subject },
    ...(document.encounter && { encounter: { reference: document.encounter } }),
    ...(when.source === 'text' && when.date && { onsetDateTime: when.date }),
    ...(recorded && { recordedDate: recorded }),
    ...(reactions.length > 0 && { reaction: reactions.map((r) => ({ manifestation: [{ text: r.text }] })) }),
  };
}
