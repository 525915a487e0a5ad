import { Fault } from '../core/fault.js';

const WRITE_PLACE = /^writes\[(\d+)\](.*)$/s;

/**
 * A fault of the store, which names the writes it was given, as one that names what the caller knows: `writes[3]` and
 * what follows become the place of the third write's entry, elements being those of its resource. Faults that name no
 * write stay as they are.
 */
export function placedFault(fault: Fault, placeOf: (write: number) => string | undefined): Fault {
  const also = fault.also.map((one) => placedFault(one, placeOf));
  const [, write, path = ''] = WRITE_PLACE.exec(fault.at ?? '') ?? [];
  const place = write === undefined ? undefined : placeOf(Number(write));
  if (place === undefined) return fault;
  const { category, message, remedy, log, issueCode, cause } = fault;
  const at = path === '' ? place : `${place}${place.startsWith('Bundle.entry[') ? '.resource' : ''}${path}`;
  return new Fault(category, message, { at, remedy, log, issueCode, cause, also });
}
