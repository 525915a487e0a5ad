/// <reference lib="dom" />
import { describe, expect, it } from 'vitest';
import { offersFor } from '../../src/web/app/cohorts/offers.js';
import {
  criteriaOf,
  inWords,
  type Leaf,
  newBranch,
  newLeaf,
  searchOf,
} from '../../src/web/app/cohorts/tree.js';
import { type Event, eventOf, laneOf, whenText } from '../../src/web/app/events.js';
import { partsOf, piecesOf } from '../../src/web/app/note/pieces.js';
import { queryOf } from '../../src/web/app/patients-query.js';
import { sideBySide } from '../../src/web/app/timeline/diff.js';
import {
  around,
  byLane,
  DAY,
  hit,
  labelWidth,
  layOut,
  layOutDensity,
  plotWidth,
  timeAt,
  valueScale,
  wholeOfDensity,
  wholeWindow,
  zoomed,
} from '../../src/web/app/timeline/layout.js';
import { seriesOf } from '../../src/web/app/timeline/results.js';
import { bytesText, counted, durationText } from '../../src/web/app/ui/format.js';
import { normalText, searchText } from '../../src/web/app/words.js';

const T0 = Date.UTC(2020, 0, 1);

function event(id: string, over: Parameters<typeof eventOf>[0] = {}): Event {
  return eventOf({ reference: `Observation/${id}`, kind: 'observation', title: id, at: T0, ...over });
}

describe('words', () => {
  it.each([
    [0, 'patient', undefined, '0 patients'],
    [1, 'patient', undefined, '1 patient'],
    [1_200, 'patient', undefined, '1,200 patients'],
    [1, 'patient is', 'patients are', '1 patient is'],
    [2, 'patient is', 'patients are', '2 patients are'],
  ])('%i of %s is said as it is spoken', (n, one, many, says) => {
    expect(counted(n, one, many)).toBe(says);
  });

  it.each([
    ['2020-05-01', undefined, '2020-05-01'],
    ['2020-05-01T10:20:30Z', undefined, '2020-05-01 10:20'],
    ['2020-05-01T10:20:30Z', '2020-05-01T11:00:00Z', '2020-05-01 10:20'],
    ['2020-05-01', '2020-05-09', '2020-05-01 – 2020-05-09'],
    [undefined, '2020-05-09', 'before 2020-05-09'],
    [undefined, undefined, 'date unknown'],
  ])('from %s to %s is read as a date', (from, to, says) => {
    expect(whenText(from, to)).toBe(says);
  });

  it.each([
    ['holloway', 'name=holloway'],
    ['Holloway, Margaret', 'name=Holloway&name=Margaret'],
    ['1952-09-03', 'birthdate=1952-09-03'],
    ['1952', 'birthdate=1952'],
    ['MR-100201', 'identifier=MR-100201'],
  ])('"%s" is searched where it belongs', (typed, query) => {
    expect(queryOf(typed)).toBe(`Patient?${query}&_count=30&_total=accurate`);
  });

  it('sizes and durations in the unit that fits', () => {
    expect([999, 1_000, 123_456, 2_000_000].map(bytesText)).toEqual([
      '999 bytes',
      '1.0 kB',
      '123 kB',
      '2.0 MB',
    ]);
    expect([2.5, 75, 600, 7_200, 400_000].map(durationText)).toEqual([
      '2.5 s',
      '75 s',
      '10 min',
      '2.0 h',
      '5 days',
    ]);
  });
});

describe('what stands in records', () => {
  it.each([
    ['Condition', 'Condition'],
    ['Condition?code=http://snomed.info/sct|44054006', 'Condition with code 44054006 (SNOMED CT)'],
    [
      'Observation?code-value-quantity=http://loinc.org|4548-4$gt9&date=ge2020-01-01',
      'Observation with code value quantity 4548-4 > 9 (LOINC) and date ≥ 2020-01-01',
    ],
    ['Patient?gender=female,other', 'Patient with gender female or other'],
  ])('the search %s in words', (search, says) => {
    expect(searchText(search)).toBe(says);
  });
  it.each([
    ['26643006', '26643006'],
    ['{"repeat":{"frequency":2,"period":1,"periodUnit":"d"}}', '2 times every day'],
    ['{"repeat":{"frequency":1,"period":6,"periodMax":8,"periodUnit":"h"}}', 'once every 6–8 hours'],
    ['{"repeat":{"frequency":1,"period":1,"periodUnit":"wk"}}', 'once every week'],
    ['{"asNeeded":true}', ''],
    ['{broken', '{broken'],
  ])('the normal form %s in words', (normalized, says) => {
    expect(normalText(normalized)).toBe(says);
  });
});

describe('the scale of time', () => {
  const window = { from: T0, to: T0 + 100 * DAY };
  it('goes from pixels to moments and back, beside the labels', () => {
    for (const width of [360, 1_280])
      for (const share of [0, 0.25, 1])
        expect(timeAt(labelWidth(width) + share * plotWidth(width), width, window)).toBeCloseTo(
          T0 + share * 100 * DAY,
          0,
        );
  });
  it('zooms around the moment that is pointed at, between six hours and 150 years', () => {
    const closer = zoomed(window, T0 + 25 * DAY, 0.5);
    expect(closer.to - closer.from).toBe(50 * DAY);
    expect((T0 + 25 * DAY - closer.from) / (closer.to - closer.from)).toBeCloseTo(0.25);
    const least = zoomed(window, T0, 1e-9);
    expect(least.to - least.from).toBe(DAY / 4);
    const most = zoomed(window, T0, 1e9);
    expect(most.to - most.from).toBe(150 * 365 * DAY);
    expect(around(T0, window, DAY)).toEqual({ from: T0 - DAY / 2, to: T0 + DAY / 2 });
  });
  it('shows all that is dated, and a year around today where nothing is', () => {
    const whole = wholeWindow([
      event('a'),
      event('b', { at: T0 + 200 * DAY }),
      event('c', { at: undefined }),
    ]);
    expect(whole.from).toBeLessThan(T0);
    expect(whole.to).toBeGreaterThan(T0 + 200 * DAY);
    const empty = wholeWindow([]);
    expect(empty.to - empty.from).toBe(364 * DAY);
  });
});

describe('lanes', () => {
  const window = { from: T0 - DAY, to: T0 + 400 * DAY };
  const laid = (events: Event[]) => layOut(byLane(events), [], window, 1_000);

  it('what is told of one thing shares a row, and things that overlap stand under each other', () => {
    const { lanes } = laid([
      event('a', { kind: 'condition', title: 'Asthma', at: T0 }),
      event('b', { kind: 'condition', title: 'asthma (disorder)', at: T0 + 90 * DAY }),
      event('c', { kind: 'condition', title: 'Gout', at: T0, until: T0 + 100 * DAY }),
    ]);
    const rows = new Map(lanes[0]!.marks.map(({ event: e, row }) => [e.title, row]));
    expect(rows.get('Asthma')).toBe(rows.get('asthma (disorder)'));
    expect(rows.get('Gout')).not.toBe(rows.get('Asthma'));
  });

  it('a crowded lane is a band of density, and every event of it counts', () => {
    const many = Array.from({ length: 2_000 }, (_, i) => event(`o${i}`, { at: T0 + i * 3_600_000 }));
    const { lanes } = laid(many);
    expect(lanes.map((l) => [l.name, l.mode, l.marks.length])).toEqual([['Results', 'density', 2_000]]);
  });

  it('bands are laid from counts alone, before any event is read', () => {
    const density = {
      events: 7,
      days: { observation: [[10, 4] as const], note: [[12, 2] as const, [13, 1] as const] },
    };
    const { lanes, height } = layOutDensity(density);
    expect(lanes.map((l) => [l.name, l.mode, l.days])).toEqual([
      ['Results', 'density', [[10, 4]]],
      [
        'Notes',
        'density',
        [
          [12, 2],
          [13, 1],
        ],
      ],
    ]);
    expect(height).toBeGreaterThan(lanes.at(-1)!.top);
    const whole = wholeOfDensity(density);
    expect(whole.from).toBeLessThan(10 * DAY);
    expect(whole.to).toBeGreaterThan(14 * DAY);
  });

  it('every kind has a lane, those unknown the last', () => {
    expect(laneOf('encounter')).toBe(0);
    expect(laneOf('what is this')).toBe(laneOf('goal'));
  });

  it('the event under the pointer is found, and none beside it', () => {
    const layout = laid([event('a', { kind: 'encounter', at: T0 + 200 * DAY })]);
    const x = labelWidth(1_000) + (201 / 401) * plotWidth(1_000);
    const y = layout.lanes[0]!.top + layout.lanes[0]!.height / 2;
    expect(hit(layout, window, 1_000, x, y)?.title).toBe('a');
    expect(hit(layout, window, 1_000, x + 40, y)).toBeUndefined();
  });
});

describe('results', () => {
  const measured = (value: number, over: object = {}) => ({
    measured: [{ code: 'http://loinc.org|4548-4', name: 'A1c', value, unit: '%', ...over }],
  });
  it('of one code in one unit are one chart, oldest first, with the range last stated', () => {
    const [series, none] = seriesOf([
      event('b', { at: T0 + DAY, ...measured(9, { high: 6, flag: 'H' }) }),
      event('a', { at: T0, ...measured(5) }),
      event('c', { at: T0, ...measured(50, { unit: 'mmol/mol' }) }),
    ]);
    expect(none).toBeUndefined();
    expect(series!.points.map((p) => [p.value, p.abnormal])).toEqual([
      [5, false],
      [9, true],
    ]);
    expect([series!.low, series!.high]).toEqual([undefined, 6]);
  });
  it('the reference range is always in sight', () => {
    const [series] = seriesOf([event('a', measured(5, { low: 4, high: 12 })), event('b', measured(6))]);
    const y = valueScale(series!, { top: 0, height: 58 });
    expect(y(12)).toBe(8);
    expect(y(4)).toBe(50);
  });
});

describe('versions beside each other', () => {
  it('line by line, what is the same stands beside itself', () => {
    expect(sideBySide(['{', 'a', 'b', '}'], ['{', 'b', 'c', '}'])).toEqual([
      { left: '{', right: '{', same: true },
      { left: 'a', right: undefined, same: false },
      { left: 'b', right: 'b', same: true },
      { left: undefined, right: 'c', same: false },
      { left: '}', right: '}', same: true },
    ]);
  });
  it('two long texts that have nothing in common are one block', () => {
    const [a, b] = ['a', 'b'].map((x) => Array.from({ length: 3_000 }, (_, i) => `${x}${i}`));
    const pairs = sideBySide(a!, b!);
    expect(pairs).toHaveLength(3_000);
    expect(pairs.some((p) => p.same)).toBe(false);
  });
});

describe('a long note', () => {
  const mention = (start: number, end: number) => ({ start, end });
  it('is cut at lines, never within a mention, and nothing of it is lost', () => {
    const line = 'Takes lisinopril 20 mg daily.\n';
    const text = line.repeat(1_000);
    const mentions = Array.from({ length: 1_000 }, (_, i) =>
      mention(i * line.length + 6, i * line.length + 16),
    );
    const pieces = piecesOf(text, mentions, 1_000);
    expect(pieces.length).toBeGreaterThan(25);
    expect(pieces.map((p) => text.slice(p.start, p.end)).join('')).toBe(text);
    for (const p of pieces.slice(0, -1)) expect(text[p.end - 1]).toBe('\n');
    expect(pieces.flatMap((p) => p.mentions)).toEqual(mentions);
  });
  it('without a line is cut beside its mentions', () => {
    const pieces = piecesOf('x'.repeat(50), [mention(8, 14)], 10);
    expect(pieces.slice(0, 2)).toEqual([
      { start: 0, end: 14, mentions: [mention(8, 14)] },
      { start: 14, end: 24, mentions: [] },
    ]);
  });
  it('shows of mentions that overlap the earlier and longer', () => {
    const [piece] = piecesOf('left lower leg pain', [mention(5, 10), mention(0, 14), mention(15, 19)]);
    expect(partsOf('left lower leg pain', piece!)).toEqual([mention(0, 14), ' ', mention(15, 19)]);
  });
  it('of no words is one empty piece', () => {
    expect(piecesOf('', [])).toEqual([{ start: 0, end: 0, mentions: [] }]);
  });
});

describe('criteria of a cohort', () => {
  const TODAY = new Date('2024-06-15T00:00:00Z');
  const leaf = (over: Partial<Leaf['find']>, more: Partial<Leaf> = {}): Leaf => {
    const made = newLeaf();
    return { ...made, ...more, find: { ...made.find, ...over } };
  };
  const diabetes = { system: 'http://snomed.info/sct', code: '44054006' };
  it.each<[string, Partial<Leaf['find']>, string]>([
    ['any of a type', {}, 'Condition'],
    [
      'a code and dates',
      { codes: [diabetes], from: '2020-01-01' },
      'Condition?code=http://snomed.info/sct|44054006&onset-date=ge2020-01-01',
    ],
    [
      'a value',
      {
        about: 'Observation',
        codes: [{ system: 'http://loinc.org', code: '4548-4' }],
        comparator: 'gt',
        value: '9',
      },
      'Observation?code-value-quantity=http://loinc.org|4548-4$gt9',
    ],
    [
      'an age',
      { about: 'Patient', minAge: '40', maxAge: '49' },
      'Patient?birthdate=le1984-06-15&birthdate=gt1974-06-15',
    ],
    ['signs that mean something', { codes: [{ code: 'a,b&c' }] }, 'Condition?code=a\\,b%26c'],
  ])('%s', (_, find, search) => {
    expect(searchOf(leaf(find).find, TODAY)).toBe(search);
  });

  it('are written as $cohort takes them, each node knowing its place, and read back in words', () => {
    const inner = leaf({ about: 'Observation' }, { not: true });
    const related = leaf(
      { codes: [diabetes] },
      { relation: 'after', days: '90', other: leaf({ about: 'Procedure' }).find, min: '2' },
    );
    const root = newBranch('and', [related, newBranch('or', [inner])]);
    const places = new Map<number, string>();
    const criteria = criteriaOf(root, TODAY, places)!;
    expect(criteria).toEqual({
      and: [
        {
          search: 'Condition?code=http://snomed.info/sct|44054006',
          after: { search: 'Procedure', withinDays: 90 },
          count: { min: 2 },
        },
        { or: [{ not: { search: 'Observation' } }] },
      ],
    });
    expect(places.get(inner.id)).toBe('criteria.and[1].or[0]');
    expect(inWords(criteria)).toBe(
      '(Condition with code 44054006 (SNOMED CT) at most 90 days after Procedure at least 2 times and (not Observation))',
    );
  });
  it('that say nothing are none', () => {
    expect(criteriaOf(newBranch('and', [leaf({ about: 'search' })]), TODAY, new Map())).toBeUndefined();
  });
});

describe('codes to choose from', () => {
  const offer = (display: string, code: string, count: number) => ({ coding: { display, code }, count });
  const all = [
    offer('Diabetic foot ulcer', '1', 9),
    offer('Diabetes mellitus type 2', '44054006', 4),
    offer('Type 1 diabetes', '3', 7),
  ];
  it.each([
    ['', ['1', '44054006', '3']],
    ['diabetes', ['44054006', '3']],
    ['type diabetes', ['3', '44054006']],
    ['4405', ['44054006']],
    ['gout', []],
  ])('by "%s"', (typed, codes) => {
    expect(offersFor(all, typed).map((o) => o.coding.code)).toEqual(codes);
  });
});
