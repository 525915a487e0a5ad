import { termText } from '../core/blind.js';
import type { IndexContext } from './parameter-type.js';
import { KINDS } from './terms.js';

/**
 * The term of a resource that is in this patient's compartment and in others as well. One that is in a single
 * compartment has the patient's column instead.
 */
export function sharedCompartmentTerm(context: IndexContext, patientId: string): bigint {
  return context.blind(termText(KINDS.compartment, patientId));
}
