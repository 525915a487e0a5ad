import { coarseLevel, termText } from '../core/blind.js';
import { MAX_MS, MIN_MS } from '../fhir/dates.js';
import type { SearchParameter } from '../fhir/registry.js';
import { allOf, anyOf } from './clauses.js';
import { componentsOf, partsOf } from './composite.js';
import { fold } from './fold.js';
import type {
  Clause,
  CompiledParameter,
  DateRow,
  IndexContext,
  ParameterQuery,
  QuantityRow,
  RowSink,
} from './parameter-type.js';
import { HIGHEST } from './quantity.js';
import { stringsOf } from './string.js';
import { term } from './terms.js';
import { eachToken, isNaming, typesOf, wantedCode } from './token.js';
import { uriOf, withoutVersion } from './uri.js';
import { pathOf } from './values.js';

/**
 * The index of tenants that asked for less than `exact` (decision 0025). It finds a superset of what is asked for; every
 * match is then opened and looked at.
 *
 * | what | `bucketed` | `none` |
 * |---|---|---|
 * | codes with many values | one of 8 terms | nothing |
 * | identifiers, telephone numbers, uris | one of 16,384 terms | nothing |
 * | strings | one of 16 terms of their first two letters | nothing |
 * | other tokens, and that a parameter has a value | a term that it has one | nothing |
 * | dates | the month; of birth and death the year | nothing |
 * | numbers and quantities | that there is one | nothing |
 * | clinical order | nothing | nothing |
 * | which resource refers to which, whose compartment | rows, as ever | rows, as ever |
 */

/** Terms that all values of a group share. The group and not the parameter decides, so that no two tell more than one. */
const BUCKETS = { code: 8, naming: 16_384, text: 16 } as const;
type Group = keyof typeof BUCKETS;

/**
 * Parameters of tokens with so many values that each of the few terms stands for several common ones. All others, such as
 * gender, status and category, have too few: each would have a term to itself.
 */
const MANY_CODES = new Set(['code', 'component-code', 'reason-code', 'vaccine-code']);

/** Letters of a string that its term is made of. */
const TEXT_LETTERS = 2;

/** A birth date by the month singles a person out; of events a patient has many. */
const BY_YEAR = new Set(['birthdate', 'death-date']);

function bucketTerm(context: IndexContext, parameter: SearchParameter, group: Group, value: string): bigint {
  const drawn = BigInt.asUintN(48, context.blind(termText('B', group, value)));
  return term(context, 'bucket', parameter, String(drawn % BigInt(BUCKETS[group])));
}

/** What an index of this level keeps of the values of one parameter; rows are as the exact index would have them. */
export class CoarseSink implements RowSink {
  /** Whose rows come now. */
  parameter!: SearchParameter;

  constructor(
    private readonly to: RowSink,
    private readonly context: IndexContext,
  ) {}

  /** Terms of single values are never kept. */
  term(): void {}

  reference(row: Parameters<RowSink['reference']>[0]): void {
    this.to.reference(row);
  }

  date(row: DateRow): void {
    if (coarseLevel(this.context.blind) === 'none') return;
    const by = stepOf(this.parameter);
    this.to.date({ param: row.param, lo: dateFloor(row.lo, by), hi: dateCeiling(row.hi, by) });
  }

  quantity(row: QuantityRow): void {
    if (coarseLevel(this.context.blind) === 'none') return;
    // Even a band of 16 times tells most tests from each other (`cenote bench leak`).
    this.to.quantity({ term: row.term, unit: 0n, lo: -HIGHEST, hi: HIGHEST });
  }
}

/** Adds the shared terms of a parameter's values. */
export function addCoarseTerms(
  parameter: SearchParameter,
  values: readonly unknown[],
  to: RowSink,
  context: IndexContext,
): void {
  if (coarseLevel(context.blind) === 'none' || values.length === 0) return;
  if (parameter.type === 'token' || parameter.type === 'string' || parameter.type === 'uri')
    to.term(term(context, 'present', parameter));
  else if (parameter.type === 'special') to.term(term(context, 'present', parameter));
  const add = (group: Group, value: string) => to.term(bucketTerm(context, parameter, group, value));
  for (const value of values) {
    if (parameter.type === 'token') {
      const group = groupOf(parameter);
      if (!group) continue;
      eachToken(parameter, value, ({ code }) => {
        if (code !== undefined) add(group, code);
      });
      for (const typed of typesOf(value)) add(group, typed.value);
    } else if (parameter.type === 'string' && isPlainString(parameter)) {
      for (const text of stringsOf(value)) {
        const start = beginning(text);
        if (start !== undefined) add('text', start);
      }
    } else if (parameter.type === 'uri') {
      const uri = uriOf(value);
      if (uri !== undefined) add('naming', withoutVersion(uri));
    }
  }
}

/** Parameters whose type says string but which have an index of another kind. */
const isPlainString = (parameter: SearchParameter): boolean => parameter.code !== 'phonetic';

function groupOf(parameter: SearchParameter): Group | undefined {
  if (isNaming(parameter)) return 'naming';
  return MANY_CODES.has(parameter.code) ? 'code' : undefined;
}

function beginning(text: string): string | undefined {
  const folded = fold(text);
  return folded.length < TEXT_LETTERS ? undefined : folded.slice(0, TEXT_LETTERS);
}

/**
 * The clause of a query on such an index. `exact` is what the exact index would be asked, `present` that the parameter has
 * a value: the query was understood already, and what it says of dates, numbers and references is taken over.
 */
export function coarseClause(
  query: ParameterQuery,
  exact: CompiledParameter,
  present: (parameter: SearchParameter) => Clause,
  context: IndexContext,
): CompiledParameter {
  const { parameter, modifier } = query;
  const superset = (clause: Clause): CompiledParameter => ({ clause, exact: false });
  if (parameter.type === 'reference') return referenceClause(exact, context);
  if (coarseLevel(context.blind) === 'none' || modifier === 'not') return superset({ kind: 'everything' });
  switch (parameter.type) {
    case 'date':
    case 'number':
    case 'quantity':
      return superset(rowClause(exact.clause, stepOf(parameter)));
    case 'token':
      return {
        ...anyOf(query.values.map((v) => tokenClause(query, v.text, present, context))),
        exact: false,
      };
    case 'string':
      if (parameter.code === '_text' || parameter.code === '_content')
        return superset({ kind: 'everything' });
      return {
        ...anyOf(query.values.map((v) => textClause(query, v.text, present, context))),
        exact: false,
      };
    case 'uri': {
      if (modifier !== undefined) return superset(present(parameter));
      const terms = query.values.map((v) => bucketTerm(context, parameter, 'naming', withoutVersion(v.text)));
      return superset({ kind: 'any-term', terms });
    }
    case 'composite':
      return {
        ...anyOf(query.values.map((v) => compositeClause(query, v, present, context))),
        exact: false,
      };
    default:
      return superset(
        parameter.code === '_text' || parameter.code === '_content'
          ? { kind: 'everything' }
          : present(parameter),
      );
  }
}

/** References are rows of ids at every level; at `none` nothing else of them is kept. */
function referenceClause(exact: CompiledParameter, context: IndexContext): CompiledParameter {
  if (coarseLevel(context.blind) !== 'none' || !hasTerms(exact.clause)) return exact;
  return { clause: { kind: 'everything' }, exact: false };
}

function hasTerms(clause: Clause): boolean {
  if (clause.kind === 'and' || clause.kind === 'or') return clause.of.some(hasTerms);
  if (clause.kind === 'not') return hasTerms(clause.of);
  return clause.kind === 'all-terms' || clause.kind === 'any-term';
}

function tokenClause(
  query: ParameterQuery,
  text: string,
  present: (parameter: SearchParameter) => Clause,
  context: IndexContext,
): CompiledParameter {
  const group = groupOf(query.parameter);
  const code = group && wantedCode(query, text);
  if (!group || code === undefined) return { clause: present(query.parameter), exact: false };
  const wanted = bucketTerm(context, query.parameter, group, code);
  return { clause: { kind: 'all-terms', terms: [wanted] }, exact: false };
}

function textClause(
  { parameter, modifier }: ParameterQuery,
  text: string,
  present: (parameter: SearchParameter) => Clause,
  context: IndexContext,
): CompiledParameter {
  const start = modifier === 'contains' || !isPlainString(parameter) ? undefined : beginning(text);
  if (start === undefined) return { clause: present(parameter), exact: false };
  return {
    clause: { kind: 'all-terms', terms: [bucketTerm(context, parameter, 'text', start)] },
    exact: false,
  };
}

/** By its token, where that looks at no more than its own parameter does; the other parts by opening. */
function compositeClause(
  query: ParameterQuery,
  value: ParameterQuery['values'][number],
  present: (parameter: SearchParameter) => Clause,
  context: IndexContext,
): CompiledParameter {
  const components = componentsOf(query.parameter);
  const parts = partsOf(query, value, components);
  return allOf(
    components.flatMap(({ parameter, path }, i) => {
      const telling = [...path.types].every((t) => pathOf(parameter).types.has(t));
      if (!telling || parameter.type !== 'token' || parameter.unionOf) return [];
      const own = { parameter, modifier: undefined, values: [parts[i]!] };
      return [tokenClause(own, parts[i]!.text, present, context)];
    }),
  );
}

/** Bounds of rows of days as bounds of rows of months or years: wider, never narrower. Of numbers no bounds are kept. */
function rowClause(clause: Clause, by: Step): Clause {
  switch (clause.kind) {
    case 'date':
      return {
        ...clause,
        ...(clause.loMin === undefined ? {} : { loMin: dateFloor(clause.loMin, by) }),
        ...(clause.hiMax === undefined ? {} : { hiMax: dateCeiling(clause.hiMax, by) }),
      };
    case 'quantity':
      return { kind: 'quantity', term: clause.term };
    case 'and':
      return allOf(clause.of.map((c) => ({ clause: rowClause(c, by), exact: false }))).clause;
    case 'or':
      return anyOf(clause.of.map((c) => ({ clause: rowClause(c, by), exact: false }))).clause;
    case 'nothing':
      return clause;
    default:
      return { kind: 'everything' };
  }
}

type Step = 'month' | 'year';

function stepOf(parameter: SearchParameter): Step {
  return BY_YEAR.has(parameter.code) ? 'year' : 'month';
}

/** First millisecond (UTC) of the month or year; what is open stays open. */
function dateFloor(ms: number, by: Step): number {
  return ms <= MIN_MS || ms >= MAX_MS ? ms : Math.max(MIN_MS, startOf(ms, by, 0));
}

/** Last millisecond of it. */
function dateCeiling(ms: number, by: Step): number {
  return ms <= MIN_MS || ms >= MAX_MS ? ms : Math.min(MAX_MS, startOf(ms, by, 1) - 1);
}

function startOf(ms: number, by: Step, next: number): number {
  const date = new Date(ms);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  date.setUTCHours(0, 0, 0, 0);
  // Not Date.UTC: it takes the years 0 to 99 for those of the twentieth century.
  if (by === 'year') date.setUTCFullYear(year + next, 0, 1);
  else date.setUTCFullYear(year, month + next, 1);
  return date.getTime();
}
