import { isFhirId } from '../core/ids.js';
import { Decimal } from '../core/json.js';
import { parsePartialDate } from './dates.js';

/**
 * Whether JSON values are valid R4 primitives. FHIR's own regular expressions are not used: on V8 the one for
 * base64Binary needs 76 s for 105 characters. Everything here reads its text once.
 */
export interface PrimitiveRule {
  /** JSON type the value must have. */
  readonly json: 'string' | 'number' | 'boolean';
  readonly valid: (value: never) => boolean;
  /** Says what is expected, to end the sentence "… must be". */
  readonly expected: string;
}

/** R4 datatypes: "Note that strings SHALL NOT exceed 1MB in size". */
export const MAX_STRING_UNITS = 1_048_576;

const MAX_INT = 2_147_483_647;

/** No control characters but tab and line ends; not empty. */
function isText(text: string): boolean {
  if (text.length === 0 || text.length > MAX_STRING_UNITS) return false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 32 && c !== 9 && c !== 10 && c !== 13) return false;
  }
  return true;
}

function isSpace(c: number): boolean {
  return c === 32 || (c >= 9 && c <= 13);
}

/** No space at either end, and never two in a row. */
function isCode(text: string): boolean {
  if (text.length === 0) return false;
  let space = true;
  for (let i = 0; i < text.length; i++) {
    const now = isSpace(text.charCodeAt(i));
    if (now && space) return false;
    space = now;
  }
  return !space;
}

function isUri(text: string): boolean {
  if (text.length === 0) return false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c <= 32 || isSpace(c)) return false;
  }
  return true;
}

function isOid(text: string): boolean {
  if (!text.startsWith('urn:oid:')) return false;
  const arcs = text.slice(8).split('.');
  return (
    arcs.length > 1 &&
    (arcs[0] === '0' || arcs[0] === '1' || arcs[0] === '2') &&
    arcs.every((arc) => arc !== '' && allDigits(arc) && (arc.length === 1 || arc[0] !== '0'))
  );
}

function allDigits(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 48 || c > 57) return false;
  }
  return true;
}

function isUuid(text: string): boolean {
  return text.length === 45 && /^urn:uuid:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/.test(text);
}

/** RFC 4648, 4, with the white space that R4 allows between groups. */
export function isBase64(text: string): boolean {
  let count = 0;
  let padding = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (isSpace(c)) continue;
    if (c === 61) padding++;
    else {
      const letter =
        (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || (c >= 48 && c <= 57) || c === 43 || c === 47;
      if (!letter || padding > 0) return false;
    }
    count++;
  }
  return count % 4 === 0 && padding <= 2 && count > 0;
}

function isDate(text: string): boolean {
  return text.length <= 10 && parsePartialDate(text) !== undefined;
}

function isDateTime(text: string): boolean {
  if (text.length <= 10) return isDate(text);
  return isInstant(text);
}

function isInstant(text: string): boolean {
  if (text.length < 20 || text.charCodeAt(text.length - 6) === 32) return false;
  const date = parsePartialDate(text);
  return date?.zoned === true && (date.precision === 'second' || date.precision === 'fraction');
}

function isTime(text: string): boolean {
  const date = parsePartialDate(`2000-01-01T${text}`);
  return date !== undefined && !date.zoned && (date.precision === 'second' || date.precision === 'fraction');
}

function isInteger(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= -MAX_INT - 1 && value <= MAX_INT;
}

const DATE_TIME =
  'a date as YYYY, YYYY-MM or YYYY-MM-DD, or one with time, seconds and zone (2024-05-01T10:00:00Z)';
const ADDRESS = 'a URI without spaces';
const TEXT = 'a text that is not empty, without control characters, of at most 1 MB';

const anything = (): boolean => true;

/** By the name of the primitive type. */
export const PRIMITIVES: Readonly<Record<string, PrimitiveRule>> = {
  boolean: { json: 'boolean', valid: anything, expected: 'true or false' },
  integer: { json: 'number', valid: isInteger, expected: 'a whole number of 32 bits' },
  unsignedInt: {
    json: 'number',
    valid: (v: number) => isInteger(v) && v >= 0,
    expected: 'a whole number of 0 or more',
  },
  positiveInt: {
    json: 'number',
    valid: (v: number) => isInteger(v) && v > 0,
    expected: 'a whole number of 1 or more',
  },
  decimal: { json: 'number', valid: anything, expected: 'a number' },
  string: { json: 'string', valid: isText, expected: TEXT },
  markdown: { json: 'string', valid: isText, expected: TEXT },
  code: { json: 'string', valid: isCode, expected: 'a code without spaces at its ends' },
  id: { json: 'string', valid: isFhirId, expected: '1 to 64 letters, digits, - or .' },
  uri: { json: 'string', valid: isUri, expected: ADDRESS },
  url: { json: 'string', valid: isUri, expected: ADDRESS },
  canonical: { json: 'string', valid: isUri, expected: ADDRESS },
  oid: { json: 'string', valid: isOid, expected: 'urn:oid: and an OID' },
  uuid: { json: 'string', valid: isUuid, expected: 'urn:uuid: and a UUID' },
  base64Binary: { json: 'string', valid: isBase64, expected: 'base64 (RFC 4648)' },
  date: { json: 'string', valid: isDate, expected: 'a date as YYYY, YYYY-MM or YYYY-MM-DD that exists' },
  dateTime: { json: 'string', valid: isDateTime, expected: DATE_TIME },
  instant: {
    json: 'string',
    valid: isInstant,
    expected: 'date, time to the second, and zone (2024-05-01T10:00:00Z)',
  },
  time: { json: 'string', valid: isTime, expected: 'a time as hh:mm:ss' },
  xhtml: { json: 'string', valid: isXhtml, expected: 'an XHTML div' },
};

/** That it is markup at all (two of R4's own begin with a comment); what stands in it is the validator's. */
function isXhtml(text: string): boolean {
  return text.trimStart().startsWith('<');
}

/** The JSON type of a parsed value as `PrimitiveRule.json` names it. */
export function jsonType(value: unknown): 'string' | 'number' | 'boolean' | 'null' | 'array' | 'object' {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (value instanceof Decimal) return 'number';
  const type = typeof value;
  return type === 'string' || type === 'number' || type === 'boolean' ? type : 'object';
}
