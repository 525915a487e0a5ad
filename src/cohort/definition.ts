import { Fault, invalid } from '../core/fault.js';

/** Which patients are meant: a tree of searches. */
export type Criteria =
  | { readonly and: readonly Criteria[] }
  | { readonly or: readonly Criteria[] }
  | { readonly not: Criteria }
  | SearchCriterion;

/** `Condition?code=…`: patients with a match; with `after`, one that happened after another search's match. */
export interface SearchCriterion {
  readonly search: string;
  readonly after?: { readonly search: string; readonly withinDays: number };
}

export interface CohortDefinition {
  readonly name: string;
  readonly description?: string;
  readonly criteria: Criteria;
  /** Whether facts derived from notes count. */
  readonly derived: 'include' | 'exclude' | 'only';
  /** `snapshot` keeps the members found when it was made; `live` finds them anew whenever they are asked for. */
  readonly mode: 'snapshot' | 'live';
}

const MAX_NAME_CHARS = 200;
const MAX_CRITERIA = 100;
const MAX_DEPTH = 16;
const MAX_WITHIN_DAYS = 36_525;
const NAMES: ReadonlySet<string> = new Set(['name', 'description', 'criteria', 'derived', 'mode', 'asOf']);

/**
 * Reads a definition from parsed JSON.
 * @throws Fault `invalid` naming the place and the remedy; `unsupported` for `asOf`.
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
  if (d.asOf !== undefined)
    throw new Fault(
      'unsupported',
      'A cohort is made from what is known now; the past cannot be asked for yet.',
      {
        at: 'asOf',
        remedy: 'Leave asOf out; bound the events themselves with date parameters.',
      },
    );
  const budget = { left: MAX_CRITERIA };
  return {
    name: d.name.trim(),
    ...(d.description === undefined ? {} : { description: d.description }),
    criteria: parseCriteria(d.criteria, 'criteria', 0, budget),
    derived: oneOf(d.derived, 'derived', ['include', 'exclude', 'only'] as const),
    mode: oneOf(d.mode, 'mode', ['snapshot', 'live'] as const),
  };
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
  const stranger = Object.keys(c).find((k) => k !== kinds[0] && !(k === 'after' && kinds[0] === 'search'));
  if (kinds.length !== 1 || stranger !== undefined)
    throw invalid(
      'A criterion has exactly one of and, or, not, search; after goes with search only.',
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
  if (c.after === undefined) return { search };
  const after = objectAt(c.after, `${at}.after`);
  const days = after.withinDays;
  if (typeof days !== 'number' || !(days > 0) || days > MAX_WITHIN_DAYS)
    throw invalid(
      'Not a number of days.',
      `${at}.after.withinDays`,
      `Give more than 0 and at most ${MAX_WITHIN_DAYS}.`,
    );
  return { search, after: { search: searchAt(after.search, `${at}.after.search`), withinDays: days } };
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
