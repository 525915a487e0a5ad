import { describe, expect, it } from 'vitest';
import { MAX_MS, MIN_MS, parsePartialDate, periodRange } from '../../src/fhir/dates.js';

const iso = (text: string) => {
  const range = parsePartialDate(text);
  return range && [new Date(range.lo).toISOString(), new Date(range.hi).toISOString(), range.precision];
};

describe('partial dates', () => {
  it.each([
    ['2020', '2020-01-01T00:00:00.000Z', '2020-12-31T23:59:59.999Z', 'year'],
    ['2020-02', '2020-02-01T00:00:00.000Z', '2020-02-29T23:59:59.999Z', 'month'],
    ['1900-02', '1900-02-01T00:00:00.000Z', '1900-02-28T23:59:59.999Z', 'month'],
    ['2000-02-29', '2000-02-29T00:00:00.000Z', '2000-02-29T23:59:59.999Z', 'day'],
    ['2020-03-01T10:00', '2020-03-01T10:00:00.000Z', '2020-03-01T10:00:59.999Z', 'minute'],
    ['2020-03-01T10:00:05Z', '2020-03-01T10:00:05.000Z', '2020-03-01T10:00:05.999Z', 'second'],
    ['2020-03-01T00:00:00+02:00', '2020-02-29T22:00:00.000Z', '2020-02-29T22:00:00.999Z', 'second'],
    ['2020-03-01T00:00:00 02:00', '2020-02-29T22:00:00.000Z', '2020-02-29T22:00:00.999Z', 'second'],
    ['2020-03-01T00:00:00-05:30', '2020-03-01T05:30:00.000Z', '2020-03-01T05:30:00.999Z', 'second'],
    ['2020-03-01T10:00:05.1Z', '2020-03-01T10:00:05.100Z', '2020-03-01T10:00:05.199Z', 'fraction'],
    ['2020-03-01T10:00:05.123456789Z', '2020-03-01T10:00:05.123Z', '2020-03-01T10:00:05.123Z', 'fraction'],
    ['2016-12-31T23:59:60Z', '2016-12-31T23:59:59.000Z', '2016-12-31T23:59:59.999Z', 'second'],
    ['0001', '0001-01-01T00:00:00.000Z', '0001-12-31T23:59:59.999Z', 'year'],
    ['9999-12-31', '9999-12-31T00:00:00.000Z', '9999-12-31T23:59:59.999Z', 'day'],
  ])('%s covers %s to %s', (text, lo, hi, precision) => {
    expect(iso(text)).toEqual([lo, hi, precision]);
  });

  it.each([
    '0000',
    '99',
    '20200',
    '2020-13',
    '2020-00',
    '2020-02-30',
    '2021-02-29',
    '2020-1-1',
    '2020-01-01T',
    '2020-01-01 10:00',
    '2020-01-01T24:00:00Z',
    '2020-01-01T10:60:00Z',
    '2020-01-01T10:00:61Z',
    '2020-01-01T10:00:00.Z',
    '2020-01-01T10:00:00+2:00',
    '2020-01-01T10:00:00+15:00',
    '2020-01-01T10:00:00ZZ',
    'yesterday',
    '',
    '２０２０',
  ])('%j is no date', (text) => {
    expect(parsePartialDate(text)).toBeUndefined();
  });

  it('agrees with the calendar on every day from 1600 to 2400', () => {
    for (let day = Date.UTC(1600, 0, 1); day < Date.UTC(2400, 0, 1); day += 86_400_000) {
      const range = parsePartialDate(new Date(day).toISOString().slice(0, 10));
      if (range?.lo !== day || range.hi !== day + 86_399_999) throw new Error(new Date(day).toISOString());
    }
  });

  it('keeps every date between the open ends', () => {
    expect(parsePartialDate('0001-01-01T00:00:00+14:00')!.lo).toBeGreaterThan(MIN_MS);
    expect(parsePartialDate('9999-12-31T23:59:59-14:00')!.hi).toBeLessThanOrEqual(MAX_MS);
  });

  it('reads periods with open ends', () => {
    expect(periodRange({ start: '2020' })).toEqual({ lo: Date.UTC(2020, 0, 1), hi: MAX_MS });
    expect(periodRange({ end: '2020-01-01' })).toEqual({ lo: MIN_MS, hi: Date.UTC(2020, 0, 2) - 1 });
    expect(periodRange({})).toBeUndefined();
  });
});
