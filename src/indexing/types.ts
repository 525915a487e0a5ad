import type { SearchParameter } from '../fhir/registry.js';
import { compositeParameter } from './composite.js';
import { dateParameter } from './date.js';
import { nearParameter } from './near.js';
import type { ParameterType } from './parameter-type.js';
import { phoneticParameter } from './phonetic.js';
import { quantityParameter } from './quantity.js';
import { referenceParameter } from './reference.js';
import { stringParameter } from './string.js';
import { tokenParameter } from './token.js';
import { uriParameter } from './uri.js';
import { contentParameter, narrativeParameter } from './words.js';

const BY_TYPE: Record<string, ParameterType> = {
  string: stringParameter,
  token: tokenParameter,
  reference: referenceParameter,
  date: dateParameter,
  number: quantityParameter,
  quantity: quantityParameter,
  uri: uriParameter,
  composite: compositeParameter(typeOf),
};

const BY_CODE: Record<string, ParameterType> = {
  _text: narrativeParameter,
  _content: contentParameter,
  near: nearParameter,
  phonetic: phoneticParameter,
};

/** What indexes, compiles and matches a parameter; undefined for the special ones that search itself answers. */
export function parameterType(parameter: SearchParameter): ParameterType | undefined {
  return BY_CODE[parameter.code] ?? BY_TYPE[parameter.type];
}

function typeOf(parameter: SearchParameter): ParameterType {
  const found = parameterType(parameter);
  if (!found) throw new Error(`${parameter.base}.${parameter.code} cannot be part of a composite`);
  return found;
}
