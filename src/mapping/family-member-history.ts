import type { Resource } from '../core/resource.js';
import { codeableConcept, derivedHead, traceExtensions } from './derived.js';
import type { DocumentEnvelope } from './document.js';
import { attribute, type Fact } from './fact.js';
import { fhirDate } from './when.js';

const ROLE = 'http://terminology.hl7.org/CodeSystem/v3-RoleCode';

/** A finding of a relative; never a fact about the patient. */
export function familyMemberHistory(fact: Fact, id: string, document: DocumentEnvelope): Resource {
  const relative = attribute(fact, 'relative');
  const date = fhirDate(document.date);
  return {
    ...derivedHead(
      'FamilyMemberHistory',
      id,
      'derived-family-member-history',
      traceExtensions(document, fact, 'document'),
    ),
    status: 'partial',
    patient: { reference: document.subject },
    ...(date && { date }),
    relationship: {
      coding: [{ system: ROLE, code: relative?.normalized ?? 'FAMMEMB' }],
      text: relative?.text ?? 'family member',
    },
    condition: [{ code: codeableConcept(fact) }],
  };
}
