const DATE =
  /^(\d{4})(?:-(\d{2})(?:-(\d{2})(T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})?)?)?)?$/;
const DAY_MS = 86_400_000;

/**
 * A FHIR date, dateTime or instant moved by whole days, as exact as it was: of a month or a year its middle is moved.
 * Undefined for what is no date.
 *
 * | text | days | gives |
 * |---|---|---|
 * | `2020-03-01` | -1 | `2020-02-29` |
 * | `2020-03-01T10:00:00+01:00` | -1 | `2020-02-29T10:00:00+01:00` |
 * | `2020-03` | -40 | `2020-02` |
 */
export function shiftDate(text: string, days: number): string | undefined {
  const [, year, month, day, time = ''] = DATE.exec(text) ?? [];
  if (year === undefined) return undefined;
  const ms = Date.UTC(Number(year), month ? Number(month) - 1 : 6, day ? Number(day) : month ? 15 : 2);
  const moved = new Date(ms + days * DAY_MS);
  if (Number.isNaN(moved.getTime()) || moved.getUTCFullYear() < 1000 || moved.getUTCFullYear() > 9999)
    return undefined;
  const whole = moved.toISOString();
  if (!month) return whole.slice(0, 4);
  return day ? whole.slice(0, 10) + time : whole.slice(0, 7);
}

/** Its year alone; an instant, which has to be whole, becomes the first of its year. */
export function yearOf(text: string, instant: boolean): string | undefined {
  const year = DATE.exec(text)?.[1];
  return year !== undefined && instant ? `${year}-01-01T00:00:00Z` : year;
}

/** Full years between two FHIR dates, the later given in ms; undefined where the first is none. */
export function ageAt(birth: string, ms: number): number | undefined {
  const [, year, month, day] = DATE.exec(birth) ?? [];
  if (year === undefined) return undefined;
  const at = new Date(ms);
  const age = at.getUTCFullYear() - Number(year);
  // Of a year alone nobody is told younger than they may be.
  const had =
    !month ||
    at.getUTCMonth() + 1 > Number(month) ||
    (at.getUTCMonth() + 1 === Number(month) && (!day || at.getUTCDate() >= Number(day)));
  return had ? age : age - 1;
}
