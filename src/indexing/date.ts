import { type DateRange, MAX_MS, MIN_MS, parsePartialDate, periodRange } from '../fhir/dates.js';
import { anyOf } from './clauses.js';
import type { Clause, IndexContext, ParameterQuery, ParameterType, SearchValue } from './parameter-type.js';
import { badValue, unsupportedModifier } from './refusal.js';
import { parameterTerms, term } from './terms.js';

/** `ap` reaches this share of the time between now and the date to either side (R4 search.html#prefix). */
const APPROXIMATE_SHARE = 0.1;

type Object_ = Record<string, unknown>;

/** The ranges of a date, dateTime, instant, Period or Timing; none for ages and texts. */
export function rangesOf(value: unknown): DateRange[] {
  if (typeof value === 'string') {
    const range = parsePartialDate(value);
    return range ? [range] : [];
  }
  if (typeof value !== 'object' || value === null) return [];
  const v = value as Object_;
  if (v.start !== undefined || v.end !== undefined) {
    const range = periodRange(v);
    return range ? [range] : [];
  }
  return timingRanges(v);
}

/** R4 search.html#date: "the specified scheduling details are ignored and only the outer limits matter". */
function timingRanges(timing: Object_): DateRange[] {
  const ranges = (Array.isArray(timing.event) ? timing.event : []).flatMap((e) => rangesOf(e));
  const bounds = (timing.repeat as Object_ | undefined)?.boundsPeriod;
  if (typeof bounds === 'object' && bounds !== null) {
    const range = periodRange(bounds as Object_);
    if (range) ranges.push(range);
  }
  if (ranges.length < 2) return ranges;
  return [{ lo: Math.min(...ranges.map((r) => r.lo)), hi: Math.max(...ranges.map((r) => r.hi)) }];
}

/** Bounds on a row's lo and hi; a row must keep all that are given. Alternatives are OR. */
interface Bounds {
  readonly loMin?: number;
  readonly loMax?: number;
  readonly hiMin?: number;
  readonly hiMax?: number;
}

/** R4 search.html#prefix, with `range` the searched date and lo..hi the one in the resource. */
function boundsOf(prefix: SearchValue['prefix'], range: DateRange, now: number | undefined): Bounds[] {
  switch (prefix) {
    case 'eq':
      return [{ loMin: range.lo, hiMax: range.hi }];
    case 'ne':
      return [{ loMax: range.lo - 1 }, { hiMin: range.hi + 1 }];
    case 'gt':
      return [{ hiMin: range.hi + 1 }];
    case 'lt':
      return [{ loMax: range.lo - 1 }];
    case 'ge':
      return [{ hiMin: range.hi + 1 }, { loMin: range.lo }];
    case 'le':
      return [{ loMax: range.lo - 1 }, { hiMax: range.hi }];
    case 'sa':
      return [{ loMin: range.hi + 1 }];
    case 'eb':
      return [{ hiMax: range.lo - 1 }];
    case 'po':
      return [{ loMax: range.hi, hiMin: range.lo }];
    case 'co':
      return [{ loMax: range.lo, hiMin: range.hi }];
    case 'ap': {
      const gap = now === undefined ? 0 : Math.max(0, now > range.hi ? now - range.hi : range.lo - now);
      const slack = Math.round(gap * APPROXIMATE_SHARE);
      return [{ loMax: Math.min(MAX_MS, range.hi + slack), hiMin: Math.max(MIN_MS, range.lo - slack) }];
    }
  }
}

function holds({ lo, hi }: DateRange, b: Bounds): boolean {
  return (
    (b.loMin === undefined || lo >= b.loMin) &&
    (b.loMax === undefined || lo <= b.loMax) &&
    (b.hiMin === undefined || hi >= b.hiMin) &&
    (b.hiMax === undefined || hi <= b.hiMax)
  );
}

function searched(query: ParameterQuery, value: SearchValue): DateRange {
  const range = parsePartialDate(value.text);
  if (range) return range;
  throw badValue(
    query,
    'a date',
    'Write it as YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a time zone.',
  );
}

/** What a date condition on the column `lu` or another pair of bounds would be; used for `_lastUpdated`. */
export function dateBounds(query: ParameterQuery, value: SearchValue, now?: number): readonly Bounds[] {
  return boundsOf(value.prefix, searched(query, value), now);
}

/** Dates as ranges: what is said to the day covers the day. R4 search.html#date. */
export const dateParameter: ParameterType = {
  extract(parameter, values, _resource, to, context) {
    if (values.length === 0) return;
    const param = parameterTerms(context, parameter).fixed('parameter');
    for (const value of values) {
      for (const { lo, hi } of rangesOf(value)) to.date({ param, lo, hi });
    }
  },

  compile(query, context) {
    if (query.modifier !== undefined)
      throw unsupportedModifier(query, 'Dates have :missing only; use prefixes such as ge.');
    const param = term(context, 'parameter', query.parameter);
    const now = nowOf(context);
    return anyOf(
      query.values.flatMap((value) =>
        boundsOf(value.prefix, searched(query, value), now).map((b) => {
          const clause: Clause = { kind: 'date', param, ...b };
          return { clause, exact: true };
        }),
      ),
    );
  },

  matches(query, values, _resource, context) {
    const ranges = values.flatMap(rangesOf);
    const now = nowOf(context);
    return query.values.some((value) => {
      const bounds = boundsOf(value.prefix, searched(query, value), now);
      return ranges.some((range) => bounds.some((b) => holds(range, b)));
    });
  },
};

function nowOf(context: IndexContext): number | undefined {
  return context.now;
}
