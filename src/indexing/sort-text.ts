import type { Resource } from '../core/resource.js';
import { findSearchParameter, type SearchParameter } from '../fhir/registry.js';
import { valuesOf } from './values.js';

/**
 * The texts that results are sorted by: names, titles, codes. They stand, a line for each resource, in front of the bodies
 * in their sealed segment, so that sorting need not unpack and parse the bodies themselves (decision 0026). The database
 * sees nothing of them.
 */

/** What is stored under the numbers of an older version is not read; the bodies are. */
export const SORT_LINES_VERSION = 1;

/**
 * Parameters with a text in the line, where a type has one of that code: what people sort by. Sorting by any other opens
 * the bodies. Another list is another version.
 */
const CODES = ['family', 'given', 'name', 'title', 'code', 'vaccine-code', 'type', 'status'] as const;

const FIELD = '\t';
/** Between the text that is first and the one that is last, where several values are not the same. */
const LAST = '\u001f';
const CONTROLS = /\p{Cc}+/gu;

const MAX_KEY_CHARS = 120;
/** Half of a character that was cut in two. */
const HALF = /[\ud800-\udbff]$/;

const fields = new Map<string, readonly SearchParameter[]>();

function fieldsOf(type: string): readonly SearchParameter[] {
  let found = fields.get(type);
  if (!found) {
    found = CODES.map((code) => findSearchParameter(type, code)).filter(
      (p) => p !== undefined && (p.type === 'string' || p.type === 'token') && !p.aliasOf && !p.unionOf,
    ) as SearchParameter[];
    fields.set(type, found);
  }
  return found;
}

/** Where the text of a parameter stands in the lines of its type; -1 where it does not. */
export function sortFieldOf(parameter: SearchParameter): number {
  return fieldsOf(parameter.base).indexOf(parameter);
}

/** The line of a resource; empty where it has none of the texts. */
export function sortLine(resource: Resource): string {
  let line = '';
  let any = false;
  for (const parameter of fieldsOf(resource.resourceType)) {
    if (any || line !== '') line += FIELD;
    any = true;
    const values = valuesOf(parameter, resource);
    if (values.length === 0) continue;
    const first = bestText(values, false);
    if (first === undefined) continue;
    line += first;
    if (values.length === 1) continue;
    const last = bestText(values, true);
    if (last !== first) line += LAST + last;
  }
  return line;
}

/** The text at a field of a line, as `sortText` gives it. */
export function textAt(line: string, field: number, descending: boolean): string | undefined {
  let from = 0;
  for (let i = 0; i < field; i++) {
    from = line.indexOf(FIELD, from) + 1;
    if (from === 0) return undefined;
  }
  const to = line.indexOf(FIELD, from);
  const text = line.slice(from, to < 0 ? undefined : to);
  if (text === '') return undefined;
  const last = text.indexOf(LAST);
  if (last < 0) return text;
  return descending ? text.slice(last + 1) : text.slice(0, last);
}

/** The text a resource is sorted by: of several values the one that comes first in the direction. */
export function sortText(
  parameter: SearchParameter,
  resource: Resource,
  descending: boolean,
): string | undefined {
  return bestText(valuesOf(parameter, resource), descending);
}

function bestText(values: readonly unknown[], descending: boolean): string | undefined {
  let best: string | undefined;
  for (const value of values) {
    const text = textKey(value);
    if (text !== undefined && (best === undefined || text < best !== descending)) best = text;
  }
  return best;
}

/** The parts people sort by, family name first; case and accents do not count. */
const TEXT_PARTS = [
  'text',
  'family',
  'given',
  'display',
  'city',
  'line',
  'code',
  'value',
  'coding',
  'reference',
] as const;
const NAME_PARTS = ['family', 'given', 'text'] as const;

/** Printable ASCII, which needs no folding but of case. */
const PLAIN = /^[ -~]*$/;

function textKey(value: unknown): string | undefined {
  const raw = rawText(value);
  if (raw === undefined || raw === '') return undefined;
  // More than is kept, since marks that are taken out were characters.
  const start = raw.slice(0, 2 * MAX_KEY_CHARS);
  const plain = PLAIN.test(start)
    ? start
    : start.normalize('NFD').replace(/\p{M}/gu, '').replace(CONTROLS, ' ');
  const text = plain.toLowerCase().slice(0, MAX_KEY_CHARS).replace(HALF, '');
  return text === '' ? undefined : text;
}

function rawText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return joined(value.map(rawText));
  if (typeof value !== 'object' || value === null) return undefined;
  const parts = value as Record<string, unknown>;
  if ('family' in parts || 'given' in parts) return joined(NAME_PARTS.map((p) => rawText(parts[p])));
  for (const part of TEXT_PARTS) {
    const text = part in parts ? rawText(parts[part]) : undefined;
    if (text) return text;
  }
  return undefined;
}

const joined = (texts: readonly (string | undefined)[]): string =>
  texts.filter((t) => t !== undefined).join(' ');
