import { invalid } from '../../core/fault.js';
import { digitsOf } from '../../core/json.js';
import type { PathNode } from '../path-parser.js';

/** SQL on FHIR, ViewDefinition.constant.value[x]. */
const VALUE_TYPES = [
  'base64Binary',
  'boolean',
  'canonical',
  'code',
  'date',
  'dateTime',
  'decimal',
  'id',
  'instant',
  'integer',
  'oid',
  'positiveInt',
  'string',
  'time',
  'unsignedInt',
  'uri',
  'url',
  'uuid',
];

const NUMBERS = new Set(['decimal', 'integer', 'positiveInt', 'unsignedInt']);
/** sql-name: what databases accept as a name without quotes. */
export const SQL_NAME = /^[A-Za-z][A-Za-z0-9_]{0,254}$/;
/** Variables of FHIRPath and of views that a constant would hide. */
const RESERVED = new Set(['context', 'resource', 'rootResource', 'ucum', 'sct', 'loinc', 'rowIndex']);

/** The constants of a view by name, as literals for its paths. @throws Fault `invalid` naming the element. */
export function constantsOf(definition: object): Map<string, PathNode> {
  const { constant } = definition as { constant?: unknown };
  const found = new Map<string, PathNode>();
  if (constant === undefined) return found;
  if (!Array.isArray(constant))
    throw invalid('ViewDefinition.constant is a list.', 'ViewDefinition.constant');
  constant.forEach((entry: Record<string, unknown> | null, i) => {
    const at = `ViewDefinition.constant[${i}]`;
    const name = entry?.name;
    if (typeof name !== 'string' || !SQL_NAME.test(name))
      throw invalid(`${at}.name is no name.`, `${at}.name`, 'Use letters, digits and _, a letter first.');
    if (RESERVED.has(name) || found.has(name))
      throw invalid(`${at}.name stands for something else already.`, `${at}.name`, 'Choose another name.');
    const [choice, ...others] = VALUE_TYPES.filter((type) => entry?.[keyOf(type)] !== undefined);
    if (choice === undefined || others.length > 0)
      throw invalid(`${at} needs exactly one value.`, `${at}.value[x]`, 'Give it one, such as valueString.');
    found.set(name, literal(entry?.[keyOf(choice)], choice, at));
  });
  return found;
}

const keyOf = (type: string) => `value${type[0]!.toUpperCase()}${type.slice(1)}`;

function literal(value: unknown, type: string, at: string): PathNode {
  if (type === 'boolean' && typeof value === 'boolean') return { kind: 'literal', value, type };
  if (NUMBERS.has(type)) {
    const digits = digitsOf(value);
    if (digits !== undefined) return { kind: 'literal', value: Number(digits), type };
  } else if (type !== 'boolean' && typeof value === 'string') return { kind: 'literal', value, type };
  throw invalid(`${at}.${keyOf(type)} has another JSON type than its name says.`, `${at}.${keyOf(type)}`);
}
