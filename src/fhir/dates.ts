/**
 * Partial dates as closed ranges of milliseconds (R4 datatypes, date/dateTime/instant; search.html#date): `2020-03`
 * covers all of March. A date without a zone is read as UTC, since nothing in it says where it was written.
 */

/** How much of the date was given. */
export type DatePrecision = 'year' | 'month' | 'day' | 'minute' | 'second' | 'fraction';

/** A closed range of milliseconds since the epoch, UTC. */
export interface DateRange {
  readonly lo: number;
  readonly hi: number;
}

export interface PartialDate extends DateRange {
  readonly precision: DatePrecision;
  /** Whether a time zone was given; false for anything without a time. */
  readonly zoned: boolean;
}

/** Stands for an open start; earlier than any date that can be written (years 0001 to 9999, in any zone). */
export const MIN_MS = -62_167_219_200_000;
/** Stands for an open end; later than any date that can be written. */
export const MAX_MS = 253_402_387_199_999;

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const HYPHEN = 45;
const COLON = 58;

/**
 * Reads `YYYY`, `YYYY-MM`, `YYYY-MM-DD` or a date with time, seconds, fraction and zone. Also what searches may leave
 * out: the seconds, and the zone. Undefined for anything else, the 30th of February included. A leap second counts
 * into the second before it; digits below the millisecond are cut off.
 */
export function parsePartialDate(text: string): PartialDate | undefined {
  const n = text.length;
  if (n < 4 || n > MAX_DATE_UNITS) return undefined;
  const year = digits(text, 0, 4);
  if (year < 1) return undefined;
  if (n === 4)
    return { lo: dayNumber(year, 1, 1) * DAY_MS, hi: endOfYear(year), precision: 'year', zoned: false };
  const month = digits(text, 5, 2);
  if (text.charCodeAt(4) !== HYPHEN || month < 1 || month > 12) return undefined;
  if (n === 7) {
    const first = dayNumber(year, month, 1);
    const last = first + daysIn(year, month);
    return { lo: first * DAY_MS, hi: last * DAY_MS - 1, precision: 'month', zoned: false };
  }
  const day = digits(text, 8, 2);
  if (text.charCodeAt(7) !== HYPHEN || day < 1 || day > daysIn(year, month)) return undefined;
  const midnight = dayNumber(year, month, day) * DAY_MS;
  if (n === 10) return { lo: midnight, hi: midnight + DAY_MS - 1, precision: 'day', zoned: false };
  return text.charCodeAt(10) === 84 ? withTime(text, midnight) : undefined;
}

/** The longest dateTime has a fraction; more digits than this say nothing. */
const MAX_DATE_UNITS = 48;

function withTime(text: string, midnight: number): PartialDate | undefined {
  const n = text.length;
  const hour = digits(text, 11, 2);
  const minute = digits(text, 14, 2);
  if (hour < 0 || hour > 23 || text.charCodeAt(13) !== COLON || minute < 0 || minute > 59) return undefined;
  let lo = midnight + (hour * 60 + minute) * MINUTE_MS;
  let width = MINUTE_MS;
  let precision: DatePrecision = 'minute';
  let i = 16;
  if (text.charCodeAt(i) === COLON) {
    const second = digits(text, 17, 2);
    if (second < 0 || second > 60) return undefined;
    lo += Math.min(second, 59) * 1000;
    width = 1000;
    precision = 'second';
    i = 19;
    if (text.charCodeAt(i) === 46) {
      const start = ++i;
      let unit = 1000;
      for (; i < n; i++) {
        const d = text.charCodeAt(i) - 48;
        if (d < 0 || d > 9) break;
        if (unit > 1) {
          unit /= 10;
          lo += d * unit;
        }
      }
      if (i === start) return undefined;
      width = unit;
      precision = 'fraction';
    }
  }
  const offset = zoneMs(text, i);
  if (offset === undefined) return undefined;
  lo -= offset;
  return { lo, hi: lo + width - 1, precision, zoned: i < n };
}

/** Milliseconds east of Greenwich of the zone that ends the text; undefined where it is none. */
function zoneMs(text: string, i: number): number | undefined {
  const n = text.length;
  if (i === n) return 0;
  const sign = text.charCodeAt(i);
  if (sign === 90) return i + 1 === n ? 0 : undefined;
  // A `+` in a URL that was not escaped arrives as a space.
  if ((sign !== 43 && sign !== HYPHEN && sign !== 32) || n !== i + 6 || text.charCodeAt(i + 3) !== COLON)
    return undefined;
  const hours = digits(text, i + 1, 2);
  const minutes = digits(text, i + 4, 2);
  if (hours < 0 || hours > 14 || minutes < 0 || minutes > 59 || (hours === 14 && minutes > 0))
    return undefined;
  return (sign === HYPHEN ? -1 : 1) * (hours * 60 + minutes) * MINUTE_MS;
}

/** The number written in `count` digits from `start`; -1 where one of them is no digit. */
function digits(text: string, start: number, count: number): number {
  let value = 0;
  for (let i = start; i < start + count; i++) {
    const d = text.charCodeAt(i) - 48;
    if (!(d >= 0 && d <= 9)) return -1;
    value = value * 10 + d;
  }
  return value;
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function daysIn(year: number, month: number): number {
  return month === 2 && isLeap(year) ? 29 : DAYS[month - 1]!;
}

function endOfYear(year: number): number {
  return dayNumber(year + 1, 1, 1) * DAY_MS - 1;
}

/** Days since 1970-01-01 in the proleptic Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms"). */
function dayNumber(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** An instant as FHIR writes it, in UTC with milliseconds. */
export function formatInstant(ms: number): string {
  return new Date(ms).toISOString();
}

/**
 * The range a Period covers: from the start of its start to the end of its end, open where one is absent or cannot
 * be read. Undefined when it has neither.
 */
export function periodRange(period: { start?: unknown; end?: unknown }): DateRange | undefined {
  const start = typeof period.start === 'string' ? parsePartialDate(period.start) : undefined;
  const end = typeof period.end === 'string' ? parsePartialDate(period.end) : undefined;
  if (!start && !end) return undefined;
  return { lo: start ? start.lo : MIN_MS, hi: end ? end.hi : MAX_MS };
}
