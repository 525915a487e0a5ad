import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixedClock } from '../../src/core/clock.js';
import { parseJson } from '../../src/core/json.js';
import type { Resource } from '../../src/core/resource.js';
import type { Store } from '../../src/store/contract.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { timelineBundle } from '../../src/timeline/bundle.js';
import { eventOf, type TimelineEvent } from '../../src/timeline/event.js';
import { timelineHtml } from '../../src/timeline/html.js';
import { KIND_ROWS } from '../../src/timeline/kinds.js';
import { timelineTable } from '../../src/timeline/table.js';
import type { Timeline, TimelinePage } from '../../src/timeline/timeline.js';
import { titleOf } from '../../src/timeline/title.js';
import { type TestSystem, testSystem } from '../support/system.js';

const OURS = 'https://cenote.health/fhir/StructureDefinition/';
const SNOMED = 'http://snomed.info/sct';
const FIRST = Date.parse('2024-01-01T00:00:00Z');
const LATER = Date.parse('2024-06-01T00:00:00Z');

const clock = fixedClock(FIRST);
const actor = { id: 'test', kind: 'job' as const };
let system: TestSystem;
let tenant: Tenant;
let store: Store;
let room: Timeline;
let base: string;

const subject = { reference: 'Patient/p1' };
const coded = (code: string, text: string) => ({ coding: [{ system: SNOMED, code, display: text }], text });

/** A fact as the mapping makes it, read from `document` at `start`. */
function fact(
  id: string,
  type: string,
  document: string,
  start: number,
  text: string,
  more: object,
): Resource {
  return {
    resourceType: type,
    id,
    meta: { tag: [{ system: 'https://cenote.health/fhir/CodeSystem/origin', code: 'derived' }] },
    extension: [
      { url: `${OURS}derived-from-document`, valueReference: { reference: `DocumentReference/${document}` } },
      {
        url: `${OURS}source-span`,
        extension: [
          { url: 'start', valueInteger: start },
          { url: 'end', valueInteger: start + text.length },
          { url: 'text', valueString: text },
        ],
      },
      { url: `${OURS}derivation-score`, valueDecimal: 0.9 },
    ],
    subject,
    ...more,
  };
}

const RESOURCES: Resource[] = [
  { resourceType: 'Patient', id: 'p1', name: [{ family: 'Doe' }] },
  { resourceType: 'Patient', id: 'p2' },
  {
    resourceType: 'Encounter',
    id: 'e1',
    status: 'finished',
    class: { code: 'AMB', display: 'ambulatory' },
    subject,
    period: { start: '2020-03-01T09:00:00Z', end: '2020-03-01T09:30:00Z' },
  },
  {
    resourceType: 'Encounter',
    id: 'e2',
    status: 'finished',
    class: { code: 'IMP', display: 'inpatient' },
    subject,
    period: { start: '2021-05-01', end: '2021-05-09' },
  },
  {
    resourceType: 'Condition',
    id: 'c1',
    code: coded('44054006', 'Type 2 diabetes'),
    subject,
    onsetDateTime: '2020-03-01',
  },
  { resourceType: 'Condition', id: 'c2', code: { text: 'Gout' }, subject },
  {
    resourceType: 'Condition',
    id: 'wrong',
    code: { text: 'Mistake' },
    subject,
    onsetDateTime: '2020-01-01',
    verificationStatus: { coding: [{ code: 'entered-in-error' }] },
  },
  {
    resourceType: 'Procedure',
    id: 'pr1',
    status: 'not-done',
    code: { text: 'Colonoscopy' },
    subject,
    performedDateTime: '2019',
  },
  {
    resourceType: 'Observation',
    id: 'o1',
    status: 'final',
    code: { text: 'Heart rate' },
    subject,
    effectiveDateTime: '2020-03-01T09:05:00Z',
    valueQuantity: { value: 80, unit: '/min' },
  },
  {
    resourceType: 'Observation',
    id: 'o2',
    status: 'final',
    code: { text: 'Heart rate' },
    subject,
    effectiveDateTime: '2020-03-01T09:15:00Z',
    valueQuantity: { value: 80, unit: '/min' },
  },
  {
    resourceType: 'Observation',
    id: 'other',
    status: 'final',
    code: { text: 'Of another' },
    subject: { reference: 'Patient/p2' },
    effectiveDateTime: '2020-03-01',
  },
  {
    resourceType: 'Observation',
    id: 'both',
    status: 'final',
    code: { text: 'Donor match' },
    subject,
    performer: [{ reference: 'Patient/p2' }],
    effectiveDateTime: '2020-04-01',
  },
  {
    resourceType: 'Claim',
    id: 'cl1',
    status: 'active',
    use: 'claim',
    type: { text: 'Bill' },
    patient: subject,
    created: '2020-03-02',
    provider: { display: 'x' },
    priority: { text: 'x' },
    insurance: [],
    billablePeriod: { start: '2020-03-01' },
  },
  // The diabetes of 1 March, told by two notes; once with the code alone, once with the words alone.
  fact('d1', 'Condition', 'n1', 10, 'T2DM', {
    code: { coding: [{ system: SNOMED, code: '44054006' }], text: 'T2DM' },
    onsetDateTime: '2020-03-01',
  }),
  fact('d2', 'Condition', 'n2', 20, 'type 2 diabetes', {
    code: { text: 'TYPE 2 DIABETES' },
    onsetDateTime: '2020-03-01T23:00:00-05:00',
  }),
  // A drug only notes tell of, in two of them on one day and in a third a year later.
  fact('m1', 'MedicationStatement', 'n1', 30, 'metformin', {
    status: 'active',
    medicationCodeableConcept: { text: 'metformin' },
    effectivePeriod: { start: '2020-03-01' },
  }),
  fact('m2', 'MedicationStatement', 'n2', 40, 'Metformin', {
    status: 'active',
    medicationCodeableConcept: { text: 'Metformin' },
    effectiveDateTime: '2020-03-01',
  }),
  fact('m3', 'MedicationStatement', 'n3', 50, 'metformin', {
    status: 'active',
    medicationCodeableConcept: { text: 'metformin' },
    effectiveDateTime: '2021-03-01',
  }),
  fact('u1', 'Procedure', 'n1', 60, 'appendectomy', { status: 'completed', code: { text: 'appendectomy' } }),
  fact('u2', 'Procedure', 'n2', 70, 'appendectomy', { status: 'completed', code: { text: 'Appendectomy' } }),
];

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'], clock });
  const rooms = await system.rooms();
  ({ store, timeline: room } = rooms);
  tenant = await system.tenant('a');
  base = rooms.baseOf(tenant);
  await write(RESOURCES);
});

afterAll(() => system.close());

async function write(resources: readonly Resource[]): Promise<void> {
  await store.commit(
    tenant,
    resources.map((resource) => ({ op: 'update', type: resource.resourceType, id: resource.id!, resource })),
    actor,
  );
}

function ask(query = '', patient = 'p1'): Promise<TimelinePage> {
  return room.timeline(tenant, { patient, params: [...new URLSearchParams(query)], strict: true, base });
}

const ids = (events: readonly TimelineEvent[]) => events.map((e) => e.resource.id);

async function walk(query: string): Promise<TimelineEvent[]> {
  const events: TimelineEvent[] = [];
  let page = await ask(query);
  for (let n = 0; n < 50; n++) {
    events.push(...page.events);
    if (page.next === undefined) return events;
    page = await ask(page.next);
  }
  throw new Error('the pages do not end');
}

const OLDEST_FIRST = ['pr1', 'c1', 'm1', 'e1', 'o1', 'o2', 'both', 'm3', 'e2', 'c2', 'u1'];

describe('a timeline', () => {
  test('lists structured and derived events in clinical order, the undated last', async () => {
    const { events } = await ask();
    const dated = ids(events).slice(0, -2);
    expect([...ids(events)].sort()).toEqual([...OLDEST_FIRST].sort());
    expect(dated.filter((id) => id !== 'c1' && id !== 'm1')).toEqual([
      'pr1',
      'e1',
      'o1',
      'o2',
      'both',
      'm3',
      'e2',
    ]);
    expect(events.slice(-2).every((e) => e.when === undefined)).toBe(true);
  });

  test('newest first is the reverse for the dated, and the undated are last again', async () => {
    const { events } = await ask('_sort=-date');
    expect(ids(events).slice(0, 3)).toEqual(['e2', 'm3', 'both']);
    expect(events.slice(-2).every((e) => e.when === undefined)).toBe(true);
    expect(events).toHaveLength(OLDEST_FIRST.length);
  });

  test.each(['', '_sort=-date', 'derived=only', 'asOf=2030'])(
    'is the same in pages of any size (%s)',
    async (query) => {
      const whole = ids((await ask(query)).events);
      for (const size of [1, 2, 3, 7]) expect(ids(await walk(`${query}&_count=${size}`))).toEqual(whole);
    },
  );

  test('shows a fact that notes repeat once, with all its sources and words', async () => {
    const { events } = await ask();
    const diabetes = events.find((e) => e.resource.id === 'c1')!;
    expect(diabetes.derived).toBe(false);
    expect([...diabetes.sources].sort()).toEqual(
      ['Condition/c1', 'Condition/d1', 'Condition/d2', 'DocumentReference/n1', 'DocumentReference/n2'].sort(),
    );
    expect(diabetes.words).toEqual([
      { document: 'DocumentReference/n1', start: 10, end: 14, text: 'T2DM', score: 0.9 },
      { document: 'DocumentReference/n2', start: 20, end: 35, text: 'type 2 diabetes', score: 0.9 },
    ]);
    const metformin = events.find((e) => e.resource.id === 'm1')!;
    expect(metformin).toMatchObject({ derived: true, kind: 'medication', title: 'metformin' });
    expect(metformin.words.map((w) => w.document)).toEqual(['DocumentReference/n1', 'DocumentReference/n2']);
    expect(events.find((e) => e.resource.id === 'u1')!.sources).toContain('DocumentReference/n2');
  });

  test('keeps two measurements of one day apart, and the same drug on another day', async () => {
    expect(ids((await ask('_type=Observation')).events)).toEqual(['o1', 'o2', 'both']);
    expect(ids((await ask('_type=MedicationStatement')).events)).toEqual(['m1', 'm3']);
  });

  test.each([
    ['_type=Encounter', ['e1', 'e2']],
    ['_type=Encounter,Procedure&derived=exclude', ['pr1', 'e1', 'e2']],
    ['start=2021', ['m3', 'e2']],
    ['end=2019', ['pr1']],
    ['start=2020-04&end=2020-04', ['both']],
    ['_text=heart', ['o1', 'o2']],
    ['_text=type diab', ['c1']],
    ['_text=t2dm', ['c1']],
    // What links these two, by code to one and by words to the other, is the structured record.
    ['derived=only&_type=Condition', ['d1', 'd2']],
    ['derived=exclude&_type=Condition', ['c1', 'c2']],
    ['_type=Claim', ['cl1']],
    ['_text=nothing like it', []],
  ])('filters by %s', async (query, expected) => {
    expect(ids((await ask(query)).events)).toEqual(expected);
  });

  test('says when, as written: a period, an instant, a year', async () => {
    const { events } = await ask();
    const when = (id: string) => events.find((e) => e.resource.id === id)?.when;
    expect(when('e2')).toEqual({ period: { start: '2021-05-01', end: '2021-05-09' } });
    expect(when('o1')).toEqual({ dateTime: '2020-03-01T09:05:00Z' });
    expect(when('pr1')).toEqual({ dateTime: '2019' });
    expect(when('c2')).toBeUndefined();
  });

  test('says that what was not done was not done, and leaves out what was entered in error', async () => {
    const { events } = await ask();
    expect(events.find((e) => e.resource.id === 'pr1')?.title).toBe('Colonoscopy (not done)');
    expect(ids(events)).not.toContain('wrong');
  });

  test('has what is in two patients\u2019 compartments on both', async () => {
    expect(ids((await ask('_type=Observation', 'p2')).events)).toEqual(['other', 'both']);
  });

  test.each([
    ['nonsense=1', 'nonsense'],
    ['derived=maybe', 'derived'],
    ['start=soon', 'start'],
    ['_sort=name', '_sort'],
    ['_type=Practitioner', '_type'],
    ['_count=0', '_count'],
    ['_cursor=AAAA', '_cursor'],
  ])('refuses %s', async (query, at) => {
    await expect(ask(query)).rejects.toMatchObject({ category: 'invalid', at });
  });

  test('of a patient who is not here is not found', async () => {
    await expect(ask('', 'nobody')).rejects.toMatchObject({ category: 'not-found' });
  });
});

test('pages stay right while others write: what was there throughout comes exactly once', async () => {
  const seen: string[] = [];
  let page = await ask('_count=2');
  for (let n = 0; ; n++) {
    seen.push(...(ids(page.events) as string[]));
    if (page.next === undefined) break;
    await write([
      {
        resourceType: 'Flag',
        id: `f${n}`,
        status: 'active',
        code: { text: 'Noise' },
        subject,
        period: { start: n % 2 ? '2018' : '2022' },
      },
    ]);
    page = await ask(page.next);
  }
  expect(seen.filter((id) => OLDEST_FIRST.includes(id)).sort()).toEqual([...OLDEST_FIRST].sort());
});

test('asOf shows what was known at that moment', async () => {
  clock.advance(LATER - clock.now());
  await write([
    { resourceType: 'Condition', id: 'c3', code: { text: 'New' }, subject, onsetDateTime: '2022' },
    { ...RESOURCES.find((r) => r.id === 'c2')!, code: { text: 'Gouty arthritis' } },
  ]);
  await store.commit(tenant, [{ op: 'delete', type: 'Condition', id: 'c1' }], actor);
  const now = (await ask('_type=Condition')).events;
  expect(now.map((e) => e.title)).toEqual(['T2DM', 'TYPE 2 DIABETES', 'New', 'Gouty arthritis']);
  const then = (await ask('_type=Condition&asOf=2024-03-01')).events;
  expect(then.map((e) => e.title)).toEqual(['Type 2 diabetes', 'Gout']);
  expect((await ask('asOf=2023-01-01')).events).toEqual([]);
  expect((await ask('_type=Observation&asOf=2024-03-01')).events.map((e) => e.resource.id)).toContain('both');
});

test('a reading that a note repeats is one event, however its value is written', async () => {
  const creatinine = (value: unknown) => ({
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '2160-0' }] },
    subject: { reference: 'Patient/p4' },
    effectiveDateTime: '2020-01-01',
    valueQuantity: { value, unit: 'mg/dL', code: 'mg/dL' },
  });
  await write([
    { resourceType: 'Patient', id: 'p4' },
    { resourceType: 'Observation', id: 'lab', ...creatinine(parseJson('0.90')) },
    fact('told', 'Observation', 'n9', 1, 'creatinine 0.9', creatinine(0.9)),
    fact('other-value', 'Observation', 'n9', 30, 'creatinine 1.4', creatinine(1.4)),
  ]);
  const { events } = await ask('', 'p4');
  expect(ids(events).sort()).toEqual(['lab', 'other-value']);
  expect(events.find((e) => e.resource.id === 'lab')!.words.map((w) => w.text)).toEqual(['creatinine 0.9']);
});

test('a drug that has a record of its own is called by it', async () => {
  await write([
    { resourceType: 'Medication', id: 'med1', code: { text: 'Lisinopril 10 mg' } },
    { resourceType: 'Patient', id: 'p3' },
    ...['Medication/med1', '#own'].map((reference, i) => ({
      resourceType: 'MedicationRequest',
      id: `mr${i}`,
      status: 'active',
      intent: 'order',
      subject: { reference: 'Patient/p3' },
      authoredOn: `2020-01-0${i + 1}`,
      medicationReference: { reference },
      contained: [{ resourceType: 'Medication', id: 'own', code: { text: 'Own mixture' } }],
    })),
  ]);
  expect((await ask('', 'p3')).events.map((e) => e.title)).toEqual(['Lisinopril 10 mg', 'Own mixture']);
});

test.each(KIND_ROWS)('$type is titled "$example.title"', ({ example, kind }) => {
  expect(titleOf(example.resource as Resource)).toBe(example.title);
  const resource = {
    id: 'x',
    meta: { versionId: '1', lastUpdated: '2024-01-01T00:00:00Z' },
    ...example.resource,
  } as never;
  expect(eventOf(resource)?.kind).toBe(kind);
});

test('the Bundle carries each event as the extension says', async () => {
  const bundle = timelineBundle(await ask('_type=MedicationStatement&_count=1'), base, 'p1') as unknown as {
    type: string;
    link: { relation: string; url: string }[];
    entry: {
      fullUrl: string;
      extension: { url: string; extension: { url: string; [v: string]: unknown }[] }[];
    }[];
  };
  expect(bundle.type).toBe('searchset');
  expect(bundle.link.map((l) => l.relation)).toEqual(['self', 'next']);
  expect(bundle.link[0]!.url).toBe(`${base}/Patient/p1/$timeline?_type=MedicationStatement&_count=1`);
  const [extension] = bundle.entry[0]!.extension;
  expect(extension!.url).toBe(`${OURS}timeline-event`);
  expect(extension!.extension.map((e) => e.url)).toEqual([
    'when',
    'recorded',
    'kind',
    'title',
    'source',
    'source',
    'source',
    'source',
    'derived',
    'words',
    'words',
  ]);
  expect(extension!.extension[0]).toEqual({ url: 'when', valuePeriod: { start: '2020-03-01' } });
});

test('the table is plain lines, the HTML escapes what records say', () => {
  const evil = eventOf({
    resourceType: 'Condition',
    id: 'x',
    meta: { versionId: '1', lastUpdated: '2024-01-01T00:00:00Z' },
    code: { text: '<script>alert(1)</script>\u001b[31m"&' },
    onsetDateTime: '2024-01-02',
  })!;
  const table = timelineTable([evil], 100);
  expect(table).toContain('2024-01-02');
  expect(table).not.toContain('\u001b');
  const html = timelineHtml([evil]);
  expect(html).not.toContain('<script>');
  expect(html).toContain('&#60;script&#62;');
  expect(timelineTable([], 80)).toBe('No events.');
});
