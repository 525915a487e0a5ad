import { Fault } from '../core/fault.js';
import type { ParameterQuery } from './parameter-type.js';

/** A modifier that this kind of parameter does not have, or that is not served. */
export function unsupportedModifier(query: ParameterQuery, remedy: string): Fault {
  const { code } = query.parameter;
  return new Fault(
    'unsupported',
    `The modifier :${query.modifier} is not available for the parameter ${code}.`,
    {
      at: code,
      remedy,
    },
  );
}

/** A value that cannot be understood. The value itself is not repeated: it may name a patient. */
export function badValue(query: ParameterQuery, what: string, remedy: string): Fault {
  return new Fault('invalid', `A value of the parameter ${query.parameter.code} is not ${what}.`, {
    at: query.parameter.code,
    remedy,
    issueCode: 'value',
  });
}
