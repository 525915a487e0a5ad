import { afterAll, beforeAll, expect, it } from 'vitest';
import { BASE, type Served, serve } from '../http/served.js';

/** Comparing cohorts over HTTP. Two groups of diabetics, one treated with each drug; the answers are worked out by hand. */
let served: Served;
const actor = { id: 'test', kind: 'job' } as const;
const drug = (code: string, display: string) => ({ coding: [{ system: 'urn:drugs', code, display }] });
const METFORMIN = drug('m', 'metformin');
const GLIPIZIDE = drug('g', 'glipizide');

beforeAll(async () => {
  served = await serve();
  const { tenant, rooms } = served;
  const resources: { resourceType: string; id: string }[] = [];
  const add = (resource: object & { resourceType: string; id: string }) => resources.push(resource);
  const people = [
    { id: 'p1', gender: 'female', birthDate: '1950-01-01', drugs: [METFORMIN], a1c: [9, 7] },
    { id: 'p2', gender: 'male', birthDate: '1960-01-01', drugs: [METFORMIN, GLIPIZIDE], a1c: [8, 7.5] },
    { id: 'p3', gender: 'female', birthDate: '1970-01-01', drugs: [GLIPIZIDE], a1c: [8.5, 9.5] },
  ];
  for (const { id, drugs, a1c, ...person } of people) {
    const subject = { reference: `Patient/${id}` };
    add({ resourceType: 'Patient', id, ...person });
    drugs.forEach((medicationCodeableConcept, i) => {
      add({
        resourceType: 'MedicationRequest',
        id: `${id}-m${i}`,
        status: 'active',
        intent: 'order',
        medicationCodeableConcept,
        subject,
      } as never);
    });
    a1c.forEach((value, i) => {
      add({
        resourceType: 'Observation',
        id: `${id}-o${i}`,
        status: 'final',
        code: { coding: [{ system: 'http://loinc.org', code: '4548-4' }] },
        subject,
        effectiveDateTime: i === 0 ? '2023-02-01' : '2023-08-01',
        valueQuantity: { value, unit: '%', code: '%', system: 'http://unitsofmeasure.org' },
      } as never);
    });
  }
  await rooms.store.commit(
    tenant,
    resources.map((resource) => ({ op: 'update', type: resource.resourceType, id: resource.id, resource })),
    actor,
  );
  for (const [name, code] of [
    ['metformin', 'm'],
    ['glipizide', 'g'],
  ])
    await rooms.cohorts.create(
      tenant,
      { name, criteria: { search: `MedicationRequest?code=urn:drugs|${code}` } },
      { actor, base: rooms.baseOf(tenant) },
    );
});
afterAll(() => served.close());

const compare = (body: object) => served.http().post(`${BASE}/Group/$cohort-compare`).send(body);

it('tells size, overlap, who they are, what they got, how a value went and what came of them', async () => {
  const { status, body } = await compare({
    cohorts: ['metformin', 'glipizide'],
    value: 'http://loinc.org|4548-4',
    outcomes: [{ name: 'worse', search: 'Observation?code=4548-4&value-quantity=gt9' }],
  });
  expect(status).toBe(200);
  const [metformin, glipizide] = body.cohorts;
  expect(metformin).toMatchObject({
    name: 'metformin',
    size: 2,
    sex: { female: 1, male: 1 },
    treatments: [
      { code: 'urn:drugs|m', display: 'metformin', patients: 2 },
      { code: 'urn:drugs|g', display: 'glipizide', patients: 1 },
    ],
    values: {
      unit: '%',
      otherUnits: 0,
      overTime: [
        { quarter: '2023-Q1', patients: 2, n: 2, mean: 8.5, median: 8.5 },
        { quarter: '2023-Q3', patients: 2, n: 2, mean: 7.25, median: 7.25 },
      ],
    },
    outcomes: [{ name: 'worse', patients: 0 }],
  });
  expect(glipizide.outcomes).toEqual([{ name: 'worse', patients: 1 }]);
  expect(glipizide.values.overTime.map((v: { median: number }) => v.median)).toEqual([8.25, 8.5]);
  expect(metformin.age.median).toBeGreaterThan(glipizide.age.median);
  expect(body.overlap).toEqual([{ of: ['metformin', 'glipizide'], patients: 1, share: 1 / 3 }]);
  expect([body.inAll, body.inAny]).toEqual([1, 3]);
});

it('compares a stored cohort with a definition that nobody stored', async () => {
  const everyone = { name: 'all', criteria: { search: 'Patient' } };
  const { body } = await compare({ cohorts: ['metformin', everyone] });
  expect(body.cohorts.map((c: { size: number }) => c.size)).toEqual([2, 3]);
  expect(body.cohorts[0].values).toBeUndefined();
});

it('counts a definition over HTTP', async () => {
  const { body } = await served
    .http()
    .post(`${BASE}/Group/$cohort-preview`)
    .send({ criteria: { search: 'MedicationRequest', count: { min: 2 } } });
  expect(body.size).toBe(1);
});

it.each([
  [{ cohorts: ['metformin'] }, 400],
  [{ cohorts: ['metformin', 'nobody'] }, 404],
  [{ cohorts: ['metformin', 'glipizide'], value: 'a1c' }, 400],
  [{ cohorts: ['metformin', 'glipizide'], outcomes: [{ search: 'nonsense' }] }, 400],
])('refuses %j', async (body, status) => expect((await compare(body)).status).toBe(status));
