import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { numberOf, parseJson } from '../../src/core/json.js';
import type { Resource } from '../../src/core/resource.js';
import { courseOf } from '../../src/timeline/course.js';
import { flagOf, measuredIn } from '../../src/timeline/measured.js';
import type { OutlineEvent } from '../../src/timeline/outline-event.js';
import type { Density } from '../../src/timeline/outline-rows.js';
import { busyPatient } from '../bench/support/busy-patient.js';
import { BASE, type Served, serve } from '../http/served.js';

/** More than one batch of records. */
const EVENTS = 1_300;
const { patient, resources } = busyPatient(EVENTS);
const subject = { reference: `Patient/${patient}` };
const quantity = (value: number, unit: string) => ({ value, unit, code: unit });
const range = (low: number, high: number) => [{ low: { value: low }, high: { value: high } }];

const MORE: Resource[] = [
  {
    resourceType: 'Observation',
    id: 'pressure',
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '85354-9', display: 'Blood pressure panel' }] },
    subject,
    effectiveDateTime: '2015-06-01',
    component: [
      {
        code: { coding: [{ system: 'http://loinc.org', code: '8480-6', display: 'Systolic' }] },
        valueQuantity: quantity(162, 'mm[Hg]'),
        referenceRange: range(90, 140),
      },
      { code: { text: 'Diastolic' }, valueQuantity: quantity(80, 'mm[Hg]') },
    ],
  },
  {
    resourceType: 'Condition',
    id: 'undated',
    clinicalStatus: { coding: [{ code: 'active' }] },
    code: { text: 'Gout' },
    subject,
  },
  {
    resourceType: 'Condition',
    id: 'mistaken',
    verificationStatus: { coding: [{ code: 'entered-in-error' }] },
    code: { text: 'Leprosy' },
    subject,
    onsetDateTime: '2016-01-01',
  },
];

let served: Served;
beforeAll(async () => {
  served = await serve({ verify: undefined, authorization: undefined });
  const { rooms, tenant } = served;
  await rooms.store.commit(
    tenant,
    [...resources, ...MORE].map((r) => ({ op: 'update', type: r.resourceType, id: r.id!, resource: r })),
    { id: 'test', kind: 'job' },
  );
}, 60_000);
afterAll(() => served.close());

type Line = Partial<OutlineEvent> & { density?: Density; complete?: number };

async function outline(query = ''): Promise<{ first: Line; events: OutlineEvent[]; last: Line }> {
  const answer = await served
    .http()
    .get(`${BASE}/Patient/${patient}/$timeline-outline${query}`)
    .buffer(true)
    .parse((response, done) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        text += piece;
      });
      response.on('end', () => done(null, text));
    });
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toBe('application/x-ndjson');
  const lines = (answer.body as string)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  return { first: lines[0]!, events: lines.slice(1, -1) as OutlineEvent[], last: lines.at(-1)! };
}

interface Entry {
  readonly resource: Resource;
  readonly extension: { extension: { url: string; [value: string]: unknown }[] }[];
}

/** The same by pages of `$timeline`: reference, title, and how many tell it. */
async function paged(query: string): Promise<string[]> {
  const found: string[] = [];
  let path: string | undefined = `${BASE}/Patient/${patient}/$timeline?_count=1000${query}`;
  while (path) {
    const { text } = await served.http().get(path);
    const bundle = parseJson(text) as {
      entry?: Entry[];
      link: { relation: string; url: string }[];
    };
    for (const { resource, extension } of bundle.entry ?? []) {
      const parts = extension[0]!.extension;
      const of = (url: string) => parts.filter((p) => p.url === url);
      found.push(
        `${resource.resourceType}/${resource.id} ${of('title')[0]!.valueString} ${of('derived')[0]!.valueBoolean} ${of('words').length} ${of('source').length}`,
      );
    }
    const next = bundle.link.find((l) => l.relation === 'next')?.url;
    path = next && new URL(next).pathname + new URL(next).search;
  }
  return found.sort();
}

const told = (events: readonly OutlineEvent[]): string[] =>
  events
    .map(
      (e) =>
        `${e.reference} ${e.title} ${e.derived === true} ${e.words?.length ?? 0} ${e.sources?.length ?? 1}`,
    )
    .sort();

describe('the outline of a timeline', () => {
  it.each([
    ['whole', ''],
    ['records only', 'derived=exclude'],
    ['facts from notes only', 'derived=only'],
    ['of a type', '_type=Condition,MedicationRequest'],
    ['of a span', 'start=2014&end=2015'],
    ['with words', '_text=hypertensive'],
    ['as it was known', 'asOf=2100-01-01T00:00:00Z'],
  ])('tells the events of all pages: %s', async (_, query) => {
    const { events, last } = await outline(query === '' ? '' : `?${query}`);
    expect(last.complete).toBe(events.length);
    expect(events.length).toBeGreaterThan(0);
    expect(told(events)).toEqual(await paged(query === '' ? '' : `&${query}`));
  });

  it('tells at first how many events each day has, without opening any', async () => {
    const { first, events } = await outline();
    const { density } = first;
    expect(density!.events).toBe(EVENTS + MORE.length);
    expect(density!.undated).toBe(1);
    const counted = Object.values(density!.days)
      .flat()
      .reduce((sum, [, n]) => sum + n, 0);
    expect(counted).toBe(EVENTS + MORE.length - 1);
    const encounters = new Map<number, number>();
    for (const { kind, at } of events)
      if (kind === 'encounter') {
        const day = Math.floor(at! / 86_400_000);
        encounters.set(day, (encounters.get(day) ?? 0) + 1);
      }
    expect(density!.days.encounter).toEqual([...encounters].sort(([a], [b]) => a - b));
  });

  it('gives what it takes to draw an event, and no more', async () => {
    const { events } = await outline('?_type=Observation,Condition&start=2015-06-01&end=2015-06-01');
    const pressure = events.find((e) => e.reference === 'Observation/pressure');
    expect(pressure).toEqual({
      reference: 'Observation/pressure',
      version: '1',
      kind: 'observation',
      title: 'Blood pressure panel: 162 mm[Hg] / 80 mm[Hg]',
      when: { dateTime: '2015-06-01' },
      at: Date.parse('2015-06-01T00:00:00Z'),
      recorded: pressure!.recorded,
      flag: 'H',
      measured: [
        {
          code: 'http://loinc.org|8480-6',
          name: 'Systolic',
          value: 162,
          unit: 'mm[Hg]',
          low: 90,
          high: 140,
          flag: 'H',
        },
        { name: 'Diastolic', value: 80, unit: 'mm[Hg]' },
      ],
    });
  });

  it('is packed when asked so, and written down as one access to the patient', async () => {
    const answer = await served
      .http()
      .get(`${BASE}/Patient/${patient}/$timeline-outline?_type=Encounter`)
      .set('accept-encoding', 'gzip')
      .buffer(false)
      .parse((response, done) => {
        response.on('data', () => undefined);
        response.on('end', () => done(null, ''));
      });
    expect(answer.headers['content-encoding']).toBe('gzip');
    const log = await served.http().get(`${BASE}/AuditEvent/$audit-log?_count=5`);
    expect(JSON.stringify(log.body)).toContain('timeline-outline');
    expect(JSON.stringify(log.body)).toContain(`Patient/${patient}`);
  });

  it.each([
    ['a page', `Patient/${patient}/$timeline-outline?_count=5`, 400],
    ['nobody', 'Patient/nobody/$timeline-outline', 404],
    ['no date', `Patient/${patient}/$timeline-outline?start=yesterday`, 400],
  ])('refuses %s before anything is sent', async (_, path, status) => {
    const answer = await served.http().get(`${BASE}/${path}`);
    expect(answer.status).toBe(status);
    expect(answer.body.resourceType).toBe('OperationOutcome');
  });
});

const observation = (over: object): Resource => ({ resourceType: 'Observation', id: 'o', ...over });

describe('what is out of the ordinary', () => {
  it.each<[string, object, string | undefined]>([
    ['its interpretation', { interpretation: [{ coding: [{ code: 'HH' }] }] }, 'HH'],
    [
      'a normal interpretation, whatever the range',
      {
        interpretation: [{ coding: [{ code: 'N' }] }],
        valueQuantity: quantity(9, '%'),
        referenceRange: range(4, 6),
      },
      undefined,
    ],
    ['above its range', { valueQuantity: quantity(9, '%'), referenceRange: range(4, 6) }, 'H'],
    ['below its range', { valueQuantity: quantity(2, '%'), referenceRange: range(4, 6) }, 'L'],
    ['on its bound', { valueQuantity: quantity(6, '%'), referenceRange: range(4, 6) }, undefined],
    [
      'a therapeutic range judges nothing',
      {
        valueQuantity: quantity(9, '%'),
        referenceRange: [{ high: { value: 6 }, type: { coding: [{ code: 'therapeutic' }] } }],
      },
      undefined,
    ],
    ['no range at all', { valueQuantity: quantity(9, '%') }, undefined],
  ])('%s', (_, over, flag) => {
    expect(flagOf(observation(over))).toBe(flag);
  });

  it('names a value by the shortest of its names, and keeps digits that a number cannot', () => {
    const written = parseJson(
      '{"resourceType":"Observation","id":"o","code":{"text":"A1c","coding":[{"system":"http://loinc.org","code":"4548-4","display":"Hemoglobin A1c"}]},"valueQuantity":{"value":7.0,"unit":"%"}}',
    ) as Resource;
    expect(measuredIn(written)).toEqual([
      { code: 'http://loinc.org|4548-4', name: 'A1c', value: 7, unit: '%' },
    ]);
    expect(numberOf((written.valueQuantity as { value: unknown }).value)).toBe(7);
  });
});

describe('how long something goes on', () => {
  const day = (text: string) => Date.parse(text);
  const active = { coding: [{ code: 'active' }] };
  it.each<[string, Resource, ReturnType<typeof courseOf>]>([
    [
      'a condition to its abatement',
      { resourceType: 'Condition', id: 'c', clinicalStatus: active, abatementDateTime: '2020-05-01' },
      { end: day('2020-05-01'), open: false },
    ],
    [
      'a condition that is active',
      { resourceType: 'Condition', id: 'c', clinicalStatus: active },
      { open: true },
    ],
    ['a condition of no status', { resourceType: 'Condition', id: 'c' }, { open: false }],
    [
      'a prescription by supply and refills',
      {
        resourceType: 'MedicationRequest',
        id: 'm',
        status: 'active',
        authoredOn: '2020-01-01',
        dispenseRequest: { numberOfRepeatsAllowed: 2, expectedSupplyDuration: { value: 30, code: 'd' } },
      },
      { end: day('2020-01-01') + 90 * 86_400_000, open: false },
    ],
    ['an encounter has none', { resourceType: 'Encounter', id: 'e' }, undefined],
  ])('%s', (_, resource, course) => {
    expect(courseOf(resource)).toEqual(course);
  });
});
