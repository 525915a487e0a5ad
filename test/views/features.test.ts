import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { featureColumns, featureOf, featuresAt } from '../../src/cohort/features.js';
import type { Clock } from '../../src/core/clock.js';
import { createApp } from '../../src/http/app.js';
import { type Rooms, wireRooms } from '../../src/system.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** Features at a point in time: only what had happened and was known by then. */
let system: TestSystem;
let rooms: Rooms;
let tenant: Tenant;
let now = Date.parse('2024-01-01T00:00:00Z');
const clock: Clock = { now: () => now };
const BASE_URL = 'http://127.0.0.1:8080';
const BASE = `${BASE_URL}/fhir/lake`;
let http: () => ReturnType<typeof supertest>;

const a1c = {
  resourceType: 'ViewDefinition',
  name: 'a1c',
  status: 'active',
  resource: 'Observation',
  where: [{ path: "code.coding.where(code = '4548-4').exists()" }],
  select: [
    {
      column: [
        { name: 'patient_id', path: 'subject.getReferenceKey(Patient)', type: 'id' },
        { name: 'event_time', path: 'effective.ofType(dateTime)', type: 'dateTime' },
        { name: 'value', path: 'value.ofType(Quantity).value', type: 'decimal' },
        {
          name: 'issued',
          path: 'issued',
          type: 'instant',
          tag: [{ name: 'cenote/role', value: 'known-time' }],
        },
      ],
    },
  ],
};

const lab = (id: string, patient: string, when: string, value: number, more: object = {}) => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '4548-4' }] },
  subject: { reference: `Patient/${patient}` },
  effectiveDateTime: when,
  valueQuantity: { value, unit: '%' },
  ...more,
});

/** Writes as if it were `at`. */
async function recorded(at: string, ...resources: { resourceType: string; id: string }[]): Promise<void> {
  now = Date.parse(at);
  await rooms.store.transact(tenant, { id: 'test', kind: 'job' }, (tx) =>
    tx.write(resources.map((r) => ({ op: 'update' as const, type: r.resourceType, id: r.id, resource: r }))),
  );
}

/** value of each (patient, time). */
async function values(
  rows: [patient: string, at: string][],
  knownBy?: 'version' | 'column',
): Promise<unknown[]> {
  const features = [featureOf(a1c)];
  const at = featureColumns(features).findIndex((c) => c.name === 'a1c_value');
  const found: unknown[] = [];
  const asked = rows.map(([patient, time]) => ({ patient, at: Date.parse(time) }));
  for await (const batch of featuresAt(tenant, features, asked, {
    base: BASE,
    ...(knownBy ? { knownBy } : {}),
  }))
    found.push(...batch.map((row) => row[at]));
  return found;
}

beforeAll(async () => {
  system = await testSystem({ tenants: ['lake'], clock });
  rooms = wireRooms({ clock, tenants: system.tenants, baseUrl: BASE_URL });
  tenant = await system.tenant('lake');
  const app = createApp(rooms, { baseUrl: BASE_URL, version: '0', dev: true, validation: 'minimal' });
  http = () => supertest(app.express);
  await recorded(
    '2024-01-01T00:00:00Z',
    { resourceType: 'Patient', id: 'p1' },
    { resourceType: 'Patient', id: 'p2' },
  );
  await recorded('2024-01-10T12:00:00Z', lab('early', 'p1', '2024-01-10', 7.1));
  // Taken in January, written down in March.
  await recorded(
    '2024-03-01T12:00:00Z',
    lab('late', 'p1', '2024-01-20T08:00:00Z', 9.4, { issued: '2024-01-20T18:00:00Z' }),
  );
  // Corrected in April; taken back in June.
  await recorded(
    '2024-04-01T12:00:00Z',
    lab('late', 'p1', '2024-01-20T08:00:00Z', 8.4, { issued: '2024-01-20T18:00:00Z' }),
  );
  now = Date.parse('2024-06-01T00:00:00Z');
  await rooms.store.commit(tenant, [{ op: 'delete', type: 'Observation', id: 'late' }], {
    id: 'test',
    kind: 'job',
  });
  // Filed under the wrong patient, and moved.
  await recorded('2024-02-01T00:00:00Z', lab('moved', 'p2', '2024-01-15T00:00:00Z', 5.5));
  await recorded('2024-05-01T00:00:00Z', lab('moved', 'p1', '2024-01-30T00:00:00Z', 6.6));
  now = Date.parse('2024-07-01T00:00:00Z');
});
afterAll(async () => {
  await rooms.closeRooms();
  await system.close();
});

describe('a value of the laboratory', () => {
  it.each<[string, string, string, number | null]>([
    ['is not seen before it happened', 'p1', '2024-01-09T00:00:00Z', null],
    ['is not seen on its day until that is over', 'p1', '2024-01-10T18:00:00Z', null],
    ['is seen after', 'p1', '2024-01-11T00:00:00Z', 7.1],
    ['recorded late does not leak', 'p1', '2024-02-15T00:00:00Z', 7.1],
    ['recorded late is seen once it is recorded', 'p1', '2024-03-02T00:00:00Z', 9.4],
    ['corrected later is seen as it was then', 'p1', '2024-03-31T00:00:00Z', 9.4],
    ['corrected is seen corrected from then on', 'p1', '2024-04-02T00:00:00Z', 8.4],
    ['moved to another patient is that one’s until then', 'p2', '2024-04-30T00:00:00Z', 5.5],
    ['moved to another patient is not that one’s any more', 'p2', '2024-05-02T00:00:00Z', null],
    ['moved here is seen from then on', 'p1', '2024-05-02T00:00:00Z', 6.6],
    ['of a deleted record is not seen any more', 'p1', '2024-06-02T00:00:00Z', 6.6],
  ])('%s', async (_what, patient, at, value) => {
    expect(await values([[patient, at]])).toEqual([value]);
  });

  it('is found for many rows at once, in their order', async () => {
    const rows: [string, string][] = [
      ['p1', '2024-02-15T00:00:00Z'],
      ['p2', '2024-02-15T00:00:00Z'],
      ['nobody', '2024-02-15T00:00:00Z'],
      ['p1', '2024-04-15T00:00:00Z'],
    ];
    expect(await values(rows)).toEqual([7.1, 5.5, null, 8.4]);
  });

  it('counts from when its record says, where the records came later than they were made', async () => {
    await recorded(
      '2024-07-01T00:00:00Z',
      lab('told', 'p2', '2023-05-01T08:00:00Z', 4.4, { issued: '2023-05-02T00:00:00Z' }),
    );
    expect(await values([['p2', '2023-05-03T00:00:00Z']])).toEqual([null]);
    expect(await values([['p2', '2023-05-03T00:00:00Z']], 'column')).toEqual([4.4]);
    expect(await values([['p2', '2023-05-01T12:00:00Z']], 'column')).toEqual([null]);
  });
});

const feature = { name: 'feature', part: [{ name: 'viewResource', resource: a1c }] };
const row = (patient: string, time: string) => ({
  name: 'row',
  part: [
    { name: 'patient', valueReference: { reference: `Patient/${patient}` } },
    { name: 'time', valueDateTime: time },
  ],
});

describe('over HTTP', () => {
  const post = (path: string, ...parameter: object[]) =>
    http().post(`/fhir/lake/${path}`).send({ resourceType: 'Parameters', parameter });

  it('$cohort-features takes rows of patient and index time', async () => {
    const { status, text } = await post('$cohort-features', feature, row('p1', '2024-02-15T00:00:00Z'), {
      name: '_format',
      valueCode: 'csv',
    });
    expect(status).toBe(200);
    expect(text).toBe(
      'patient_id,index_time,a1c_event_time,a1c_value,a1c_issued,a1c_known_time\r\n' +
        'p1,2024-02-15T00:00:00.000Z,2024-01-10,7.1,,2024-01-10T12:00:00.000Z\r\n',
    );
  });

  it('$cohort-features takes a cohort with one time, or the first of what a search finds', async () => {
    now = Date.parse('2024-07-02T00:00:00Z');
    await recorded('2024-07-02T00:00:00Z', {
      resourceType: 'Group',
      id: 'g',
      type: 'person',
      actual: true,
      member: [{ entity: { reference: 'Patient/p1' } }, { entity: { reference: 'Patient/p2' } }],
    } as never);
    await recorded('2024-07-02T00:00:00Z', {
      resourceType: 'Condition',
      id: 'c',
      subject: { reference: 'Patient/p1' },
      code: { coding: [{ system: 'http://snomed.info/sct', code: '44054006' }] },
      onsetDateTime: '2024-03-15',
    } as never);
    const json = { name: '_format', valueCode: 'json' };
    const all = await post('Group/g/$cohort-features', feature, json, {
      name: 'indexTime',
      valueDateTime: '2024-02-15',
    });
    expect(all.body.map((r: { a1c_value: number }) => r.a1c_value)).toEqual([7.1, 5.5]);
    const first = await post('Group/g/$cohort-features', feature, json, {
      name: 'index',
      valueString: 'Condition?code=44054006',
    });
    expect(first.body).toMatchObject([{ patient_id: 'p1', a1c_value: 9.4 }]);
  });

  it('Patient/{id}/$features tells those of now', async () => {
    const { body } = await post('Patient/p1/$features', feature);
    expect(body).toMatchObject({
      patient_id: 'p1',
      a1c_value: 6.6,
      a1c_known_time: '2024-05-01T00:00:00.000Z',
    });
    const kept = await http().get('/fhir/lake/Patient/p1/$features?feature=encounter');
    expect(kept.body).toMatchObject({ patient_id: 'p1', encounter_id: null });
  });

  it.each<[string, string, Record<string, unknown>[], string, unknown]>([
    [
      'the last of many, however they were written down',
      'old-and-new',
      Array.from({ length: 40 }, (_, i) => ({
        when: `20${10 + (i % 13)}-02-0${1 + (i % 9)}T08:00:00Z`,
        value: i,
      })),
      '2022-02-08T08:00:00Z',
      25,
    ],
    [
      'a year that ends after all days in it',
      'whole-year',
      [
        ...Array.from({ length: 20 }, (_, i) => ({ when: `2020-03-${10 + i}T08:00:00Z`, value: i })),
        { when: '2020', value: 99 },
      ],
      '2020',
      99,
    ],
    [
      'what is beyond the first that are looked at',
      'other-codes',
      [
        ...Array.from({ length: 30 }, (_, i) => ({
          when: `2021-03-${10 + (i % 20)}T08:00:00Z`,
          value: i,
          code: 'x',
        })),
        { when: '2001-01-05', value: 7 },
      ],
      '2001-01-05',
      7,
    ],
  ])('Patient/{id}/$features finds %s', async (_what, patient, rows, when, value) => {
    const before = now;
    await recorded(
      '2023-12-01T00:00:00Z',
      { resourceType: 'Patient', id: patient },
      ...rows.map((r, i) =>
        lab(`${patient}-${i}`, patient, String(r.when), Number(r.value), {
          ...(r.code ? { code: { coding: [{ system: 'http://loinc.org', code: r.code }] } } : {}),
        }),
      ),
    );
    now = before;
    const { body } = await post(`Patient/${patient}/$features`, feature);
    expect([body.a1c_event_time, body.a1c_value]).toEqual([when, value]);
  });

  it.each<[string, object[]]>([
    ['no rows', [feature]],
    ['no feature', [row('p1', '2024-01-01')]],
    ['a time that is none', [feature, row('p1', 'yesterday')]],
    ['two features of one name', [feature, feature, row('p1', '2024-01-01')]],
    [
      'a view that does not say when',
      [
        {
          name: 'feature',
          part: [
            {
              name: 'viewResource',
              resource: { ...a1c, select: [{ column: [{ name: 'patient_id', path: 'id' }] }] },
            },
          ],
        },
        row('p1', '2024-01-01'),
      ],
    ],
  ])('refuses %s', async (_what, parameters) => {
    const { status, body } = await post('$cohort-features', ...parameters);
    expect([status, body.resourceType]).toEqual([400, 'OperationOutcome']);
  });
});
