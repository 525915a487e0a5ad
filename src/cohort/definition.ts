import { invalid } from '../core/fault.js';
import { parsePartialDate } from '../fhir/dates.js';

/** Which patients are meant: a tree of searches. */
export type Criteria =
  | { readonly and: readonly Criteria[] }
  | { readonly or: readonly Criteria[] }
  | { readonly not: Criteria }
  | SearchCriterion;

/**
 * `Condition?code=…`: patients with a match. With `after`, `before` or `within`, matches that stand so in time to a match
 * of another search; with `count`, so many of them.
 */
export interface SearchCriterion {
  readonly search: string;
  /** Later than a match of the other search, by at most so many days where they are given. */
  readonly after?: TimeRelation;
  /** Earlier than a match of the other search. */
  readonly before?: TimeRelation;
  /** At most so many days from a match of the other search, either way. */
  readonly within?: TimeRelation & { readonly withinDays: number };
  readonly count?: { readonly min?: number; readonly max?: number };
}

export interface TimeRelation {
  readonly search: string;
  readonly withinDays?: number;
}

/** How two searches' matches may stand in time. */
export const RELATIONS = ['after', 'before', 'within'] as const;

export interface CohortDefinition {
  readonly name: string;
  readonly description?: string;
  readonly criteria: Criteria;
  /** Whether facts derived from notes count. */
  readonly derived: 'include' | 'exclude' | 'only';
  /** `snapshot` keeps the members found when it was made; `live` finds them anew whenever they are asked for. */
  readonly mode: 'snapshot' | 'live';
  /** What was known at this moment (ISO 8601) decides, rather than what is known now. */
  readonly asOf?: string;
}

const MAX_NAME_CHARS = 200;
const MAX_CRITERIA = 100;
const MAX_DEPTH = 16;
const MAX_WITHIN_DAYS = 36_525;
const MAX_COUNT = 1_000_000;
const NAMES: ReadonlySet<string> = new Set(['name', 'description', 'criteria', 'derived', 'mode', 'asOf']);

/**
 * Reads a definition from parsed JSON.
 * @throws Fault `invalid` naming the place and the remedy.
 */
export function parseDefinition(value: unknown): CohortDefinition {
  const d = objectAt(value, 'cohort');
  const stranger = Object.keys(d).find((name) => !NAMES.has(name));
  if (stranger !== undefined)
    throw invalid(
      'Not a part of a cohort definition.',
      stranger.slice(0, 64),
      `It has ${[...NAMES].join(', ')}.`,
    );
  if (typeof d.name !== 'string' || d.name.trim() === '' || d.name.length > MAX_NAME_CHARS)
    throw invalid('A cohort needs a name.', 'name', `Give a text of 1 to ${MAX_NAME_CHARS} characters.`);
  if (d.description !== undefined && typeof d.description !== 'string')
    throw invalid('The description is no text.', 'description', 'Give a text, or leave it out.');
  const budget = { left: MAX_CRITERIA };
  return {
    name: d.name.trim(),
    ...(d.description === undefined ? {} : { description: d.description }),
    criteria: parseCriteria(d.criteria, 'criteria', 0, budget),
    derived: oneOf(d.derived, 'derived', ['include', 'exclude', 'only'] as const),
    mode: oneOf(d.mode, 'mode', ['snapshot', 'live'] as const),
    ...(d.asOf === undefined ? {} : { asOf: momentAt(d.asOf, 'asOf') }),
  };
}

/** The moment a text means: its end, where it is less exact than a millisecond. */
export function momentOf(text: string): number {
  return parsePartialDate(text)?.hi ?? Number.NaN;
}

function momentAt(value: unknown, at: string): string {
  if (typeof value !== 'string' || Number.isNaN(momentOf(value)))
    throw invalid('Not a date or an instant.', at, 'Give one such as 2024-05-01 or 2024-05-01T10:00:00Z.');
  return value;
}

/** Reads criteria alone. @throws Fault `invalid` */
export function parseCriteriaAlone(value: unknown, at: string): Criteria {
  return parseCriteria(value, at, 0, { left: MAX_CRITERIA });
}

function parseCriteria(value: unknown, at: string, depth: number, budget: { left: number }): Criteria {
  const c = objectAt(value, at);
  if (depth > MAX_DEPTH || budget.left-- <= 0)
    throw invalid(
      'The criteria are too many or too deep.',
      at,
      `Use at most ${MAX_CRITERIA} criteria in ${MAX_DEPTH} levels.`,
    );
  const kinds = ['and', 'or', 'not', 'search'].filter((k) => c[k] !== undefined);
  const more: readonly string[] = kinds[0] === 'search' ? [...RELATIONS, 'count'] : [];
  const stranger = Object.keys(c).find((k) => k !== kinds[0] && !more.includes(k));
  const relations = RELATIONS.filter((name) => c[name] !== undefined);
  if (kinds.length !== 1 || stranger !== undefined || relations.length > 1)
    throw invalid(
      'A criterion has exactly one of and, or, not, search; one of after, before, within, and count, go with search only.',
      at,
      'Nest them.',
    );
  const list = (name: 'and' | 'or') => {
    const of = c[name];
    if (!Array.isArray(of) || of.length === 0)
      throw invalid('Not a list of criteria.', `${at}.${name}`, 'Give at least one.');
    return of.map((item, i) => parseCriteria(item, `${at}.${name}[${i}]`, depth + 1, budget));
  };
  if (kinds[0] === 'and') return { and: list('and') };
  if (kinds[0] === 'or') return { or: list('or') };
  if (kinds[0] === 'not') return { not: parseCriteria(c.not, `${at}.not`, depth + 1, budget) };
  const search = searchAt(c.search, `${at}.search`);
  const [relation] = relations;
  return {
    search,
    ...(relation === undefined ? {} : { [relation]: relationAt(c[relation], `${at}.${relation}`, relation) }),
    ...(c.count === undefined ? {} : { count: countAt(c.count, `${at}.count`) }),
  };
}

function relationAt(value: unknown, at: string, relation: (typeof RELATIONS)[number]): TimeRelation {
  const { search, withinDays: days } = objectAt(value, at);
  const missing = days === undefined && relation !== 'within';
  if (!missing && (typeof days !== 'number' || !(days > 0) || days > MAX_WITHIN_DAYS))
    throw invalid(
      'Not a number of days.',
      `${at}.withinDays`,
      `Give more than 0 and at most ${MAX_WITHIN_DAYS}.`,
    );
  return {
    search: searchAt(search, `${at}.search`),
    ...(days === undefined ? {} : { withinDays: days as number }),
  };
}

function countAt(value: unknown, at: string): { min?: number; max?: number } {
  const { min, max, ...rest } = objectAt(value, at);
  for (const [name, n] of [
    ['min', min],
    ['max', max],
  ] as const)
    if (n !== undefined && (!Number.isInteger(n) || (n as number) < 0 || (n as number) > MAX_COUNT))
      throw invalid('Not a number of matches.', `${at}.${name}`, `Give 0 to ${MAX_COUNT}.`);
  const known = min !== undefined || max !== undefined;
  if (!known || Object.keys(rest).length > 0 || (min as number) > (max as number))
    throw invalid('A count has min, max or both, min not above max.', at, 'Give {"min": 3}.');
  return {
    ...(min === undefined ? {} : { min: min as number }),
    ...(max === undefined ? {} : { max: max as number }),
  };
}

function searchAt(value: unknown, at: string): string {
  if (typeof value !== 'string' || !/^[A-Z][A-Za-z]+(\?|$)/.test(value))
    throw invalid('Not a FHIR search.', at, 'Write it as Condition?code=http://snomed.info/sct|44054006.');
  return value;
}

function objectAt(value: unknown, at: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('Not an object.', at, 'Give {"name": …, "criteria": {"search": …}}.');
  return value as Record<string, unknown>;
}

function oneOf<T extends string>(value: unknown, at: string, allowed: readonly T[]): T {
  if (value === undefined) return allowed[0]!;
  const found = allowed.find((a) => a === value);
  if (found === undefined) throw invalid(`Not a value of ${at}.`, at, `Use ${allowed.join(', ')}.`);
  return found;
}
