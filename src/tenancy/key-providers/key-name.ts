import { Fault } from '../../core/fault.js';

/** Names of keys in every provider: neither a path nor a URL can be made of them. */
const REF = /^[a-z0-9][a-z0-9-]{0,79}$/;

/** @throws Fault `invalid`. */
export function checkKeyName(ref: string): void {
  if (!REF.test(ref)) throw new Fault('invalid', 'The name of a key holds characters that it may not.');
}

/** @param place where an operator looks for the key. */
export function missingKey(ref: string, place: string): Fault {
  return new Fault('unavailable', `The key ${ref} is not there.`, {
    remedy: `Restore it in ${place}. No new key is made in its place: it could not open what is sealed.`,
  });
}

export function keyExists(ref: string): Fault {
  return new Fault('conflict', `There is a key named ${ref} already.`);
}

export function notWrappedHere(): Fault {
  return new Fault('integrity', 'A wrapped key does not belong to this key and context, or was changed.');
}
