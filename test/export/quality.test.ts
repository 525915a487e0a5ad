import { describe, expect, it } from 'vitest';
import type { StoredResource } from '../../src/core/resource.js';
import { qualityHtml } from '../../src/export/quality/html.js';
import { Quality, SAMPLED_ROWS } from '../../src/export/quality/quality.js';
import { Distinct, hash32, histogram, quantile, robust, Sample } from '../../src/export/quality/sketch.js';

const NOW = Date.parse('2024-06-01T00:00:00Z');
const LIVES = new Map([['p1', { born: Date.parse('1980-01-01'), died: Date.parse('2020-01-01') }]]);

// biome-ignore lint/suspicious/noExplicitAny: resources are made up by halves
const lab = (n: number, over: Record<string, any> = {}): StoredResource =>
  ({
    resourceType: 'Observation',
    id: `o${n}`,
    meta: { versionId: '1', lastUpdated: '2015-01-04T00:00:00Z' },
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '2160-0' }] },
    subject: { reference: 'Patient/p1' },
    effectiveDateTime: '2015-01-01T00:00:00Z',
    issued: `2015-01-03T00:00:${String(n % 60).padStart(2, '0')}Z`,
    valueQuantity: { value: 1 + (n % 10) / 10, unit: 'mg/dL' },
    ...over,
  }) as never;

function look(resources: StoredResource[], target?: string) {
  const quality = new Quality(NOW, target);
  for (const resource of resources) quality.add(resource, LIVES);
  return quality.report([]);
}

describe('the quality report', () => {
  const rows = Array.from({ length: 100 }, (_, n) => lab(n));

  it('counts how full each column is, and which codes and units stand in it', () => {
    const [type] = look([...rows, lab(200, { valueQuantity: undefined })]).types;
    const column = (name: string) => type!.columns.find((c) => c.name === name)!;
    expect(type).toMatchObject({ type: 'Observation', rows: 101 });
    expect(column('value_quantity_value')).toMatchObject({ filled: 100, min: 1, max: 1.9, distinct: 10 });
    expect(column('value_quantity_unit').top).toEqual([{ value: 'mg/dL', count: 100 }]);
    expect(column('code_system').top).toEqual([{ value: 'http://loinc.org', count: 101 }]);
    expect(column('value_string').filled).toBe(0);
  });

  it('finds the value that cannot be, among those of its code and unit', () => {
    const odd = lab(500, { valueQuantity: { value: 140, unit: 'mg/dL' } });
    const others = Array.from({ length: 50 }, (_, n) =>
      lab(1000 + n, { valueQuantity: { value: 130 + (n % 9), unit: 'umol/L' } }),
    );
    const [type] = look([...rows, odd, ...others]).types;
    expect(type!.measurements).toMatchObject([
      { code: '2160-0', unit: 'mg/dL', rows: 101, outliers: 1, max: 140, atLeast: false },
      { code: '2160-0', unit: 'umol/L', rows: 50, outliers: 0 },
    ]);
  });

  it('finds copies', () => {
    const [type] = look([...rows.slice(0, 60), lab(3), { ...lab(3), id: 'again' } as StoredResource]).types;
    expect(type!.duplicates).toBe(2);
  });

  const DATES: [string, string | undefined, Record<string, number>][] = [
    ['before birth', '1979-05-05', { beforeBirth: 1 }],
    ['after death', '2021-05-05', { afterDeath: 1 }],
    ['in the future', '2025-05-05', { future: 1, afterDeath: 1 }],
    ['nowhere', undefined, { undated: 1 }],
    ['within life', '2000', {}],
  ];
  it.each(DATES)('tells an event %s', (_what, effectiveDateTime, expected) => {
    const [type] = look([lab(1, { effectiveDateTime, issued: undefined })]).types;
    expect(type!.dates).toEqual({ beforeBirth: 0, afterDeath: 0, future: 0, undated: 0, ...expected });
  });

  it('asks no time of what is no event', () => {
    const person = {
      resourceType: 'Practitioner',
      id: 'd',
      meta: { versionId: '1', lastUpdated: '2024-01-01' },
    };
    const [type] = look([person as StoredResource]).types;
    expect(type!.dates).not.toHaveProperty('undated');
  });

  it('tells how late things are recorded', () => {
    expect(look(rows).types[0]!.recordingDelay).toMatchObject({
      by: 'issued',
      median: expect.closeTo(2, 2),
      negative: 0,
    });
  });

  it('tells which column gives the target away, and which knows it only afterwards', () => {
    const people = Array.from({ length: 600 }, (_, n) => {
      const ill = hash32(`x${n}`) % 3 === 0;
      return lab(n, {
        valueBoolean: ill,
        status: hash32(`y${n}`) % 2 ? 'final' : 'amended',
        valueQuantity: { value: ill ? 9 + (n % 3) : 5 + (n % 5), unit: 'x' },
        // Recorded only of the ill.
        issued: ill ? '2015-02-01T00:00:00Z' : undefined,
      });
    });
    const { target } = look(people, 'Observation.value_boolean');
    const of = (name: string) => target!.columns.find((c) => c.name === name)!;
    expect(target).toMatchObject({ rows: 600, filled: 600 });
    expect(of('status').power).toBeLessThan(0.02);
    expect(of('value_quantity_value').power).toBeGreaterThan(0.5);
    expect(of('issued')).toMatchObject({ afterEvent: 1, leak: expect.stringContaining('nearly all') });
    expect(of('issued').power).toBeGreaterThan(0.95);
  });

  it('does not depend on the order, and its samples stay small', () => {
    const many = Array.from({ length: 3 * SAMPLED_ROWS }, (_, n) => lab(n));
    const forth = look(many);
    expect(look([...many].reverse())).toEqual(forth);
    expect(forth.types[0]!.columns[0]!.distinct / many.length).toBeCloseTo(1, 0);
  });

  it('is one page that runs nothing and shows no value as markup', () => {
    const html = qualityHtml(
      look(
        [lab(1, { code: { coding: [{ system: '<script>alert(1)</script>', code: '"><b>' }] } })],
        'Observation.status',
      ),
    );
    expect(html).toContain('&#60;script&#62;');
    expect(html).not.toMatch(/<script|<b>|https?:\/\/(?!loinc|hl7)/);
  });

  it('holds no name, text, id or reference', () => {
    const person = {
      resourceType: 'Patient',
      id: 'secret-id',
      meta: { versionId: '1', lastUpdated: '2020-01-01T00:00:00Z' },
      name: [{ family: 'Secretname' }],
      managingOrganization: { reference: 'Organization/secret-org' },
      address: [{ city: 'Secretville' }],
    } as never;
    expect(JSON.stringify(look([person]))).not.toMatch(/secret/i);
  });
});

describe('the sketches', () => {
  it('count different values within a few percent', () => {
    for (const n of [10, 1000, 50_000]) {
      const distinct = new Distinct();
      for (let i = 0; i < n; i++) for (let twice = 0; twice < 2; twice++) distinct.add(hash32(`value ${i}`));
      expect(Math.abs(distinct.count() / n - 1)).toBeLessThan(0.1);
    }
  });
  it('sample evenly', () => {
    const sample = new Sample<number>(1000);
    for (let i = 0; i < 100_000; i++) sample.add(hash32(`row ${i}`), () => i);
    const kept = sample.items();
    expect(kept.length).toBeGreaterThan(400);
    expect(kept.length).toBeLessThanOrEqual(1000);
    expect(kept.reduce((a, b) => a + b, 0) / kept.length / 50_000).toBeCloseTo(1, 0);
  });
  it('know medians and robust deviations', () => {
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
    expect(robust([1, 2, 3, 4, 1000])).toEqual({ median: 3, sd: 1.4826 });
    expect(histogram([1, 1, 1])).toEqual({ from: 1, to: 1, counts: [3] });
    expect(histogram([])).toBeUndefined();
  });
});
