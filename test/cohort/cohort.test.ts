import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cohorts } from '../../src/cohort/cohort.js';
import { parseDefinition } from '../../src/cohort/definition.js';
import type { Resource } from '../../src/core/resource.js';
import type { Store } from '../../src/store/contract.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';

const actor = { id: 'test', kind: 'job' as const };
let system: TestSystem;
let tenant: Tenant;
let store: Store;
let cohorts: Cohorts;
let base: string;

const patient = (id: string, gender: string): Resource => ({ resourceType: 'Patient', id, gender });
let n = 0;
const condition = (who: string, code: string, onset?: string, more: object = {}): Resource => ({
  resourceType: 'Condition',
  id: `c${n++}`,
  code: { coding: [{ system: 'urn:codes', code, display: `Disease ${code}` }] },
  subject: { reference: `Patient/${who}` },
  ...(onset === undefined ? {} : { onsetDateTime: onset }),
  ...more,
});
const fromNote = (document: string) => ({
  meta: { tag: [{ system: 'https://cenote.health/fhir/CodeSystem/origin', code: 'derived' }] },
  extension: [
    {
      url: 'https://cenote.health/fhir/StructureDefinition/derived-from-document',
      valueReference: { reference: `DocumentReference/${document}` },
    },
  ],
});
const encounter = (who: string, kind: string, start: string): Resource => ({
  resourceType: 'Encounter',
  id: `e${n++}`,
  status: 'finished',
  class: { code: kind },
  subject: { reference: `Patient/${who}` },
  period: { start },
});

const RESOURCES: Resource[] = [
  patient('p1', 'male'),
  patient('p2', 'female'),
  patient('p3', 'male'),
  patient('p4', 'female'),
  patient('gone', 'female'),
  condition('p1', 'A', '2020-01-01'),
  condition('p2', 'A', '2020-01-01'),
  condition('p2', 'B', '2021-01-01'),
  condition('p3', 'B'),
  condition('p4', 'A', '2022-01-01', fromNote('n1')),
  condition('nobody-here', 'A', '2020-01-01'),
  condition('gone', 'A', '2020-01-01'),
  encounter('p1', 'EMER', '2020-03-01T10:00:00Z'),
  encounter('p1', 'IMP', '2020-03-20T10:00:00Z'),
  encounter('p2', 'EMER', '2020-03-01T10:00:00Z'),
  encounter('p2', 'IMP', '2020-09-01T10:00:00Z'),
  encounter('p3', 'IMP', '2020-02-01T10:00:00Z'),
  encounter('p3', 'EMER', '2020-03-01T10:00:00Z'),
  // In two compartments: its patients are those its references name.
  {
    resourceType: 'Observation',
    id: 'shared',
    status: 'final',
    code: { coding: [{ system: 'urn:codes', code: 'match' }] },
    subject: { reference: 'Patient/p3' },
    performer: [{ reference: 'Patient/p4' }],
  },
];

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  const rooms = await system.rooms();
  ({ store, cohorts } = rooms);
  tenant = await system.tenant('a');
  base = rooms.baseOf(tenant);
  await store.commit(
    tenant,
    RESOURCES.map((resource) => ({ op: 'update', type: resource.resourceType, id: resource.id!, resource })),
    actor,
  );
  await store.commit(tenant, [{ op: 'delete', type: 'Patient', id: 'gone' }], actor);
});

afterAll(() => system.close());

let names = 0;
async function membersOf(criteria: unknown, more: object = {}): Promise<string[]> {
  const { cohort } = await cohorts.create(
    tenant,
    { name: `c${names++}`, criteria, ...more },
    { actor, base },
  );
  return members(cohort.id);
}

async function members(id: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const batch of cohorts.members(tenant, id, base)) ids.push(...batch);
  return ids.sort();
}

const A = { search: 'Condition?code=urn:codes|A' };
const B = { search: 'Condition?code=B' };
const MEN = { search: 'Patient?gender=male' };

// Criteria, more of the definition, the patients meant.
const ROWS: [string, unknown, object, string[]][] = [
  ['one search', A, {}, ['p1', 'p2', 'p4']],
  ['a search of patients', MEN, {}, ['p1', 'p3']],
  ['all patients', { search: 'Patient' }, {}, ['p1', 'p2', 'p3', 'p4']],
  ['and', { and: [A, B] }, {}, ['p2']],
  ['or', { or: [A, B] }, {}, ['p1', 'p2', 'p3', 'p4']],
  ['not', { not: A }, {}, ['p3']],
  ['and not', { and: [A, { not: B }] }, {}, ['p1', 'p4']],
  ['only not', { and: [{ not: A }, { not: B }] }, {}, []],
  ['not of and', { not: { and: [A, B] } }, {}, ['p1', 'p3', 'p4']],
  ['nested', { and: [{ or: [A, B] }, { not: { and: [MEN, B] } }] }, {}, ['p1', 'p2', 'p4']],
  ['dates', { search: 'Condition?code=A&onset-date=ge2021' }, {}, ['p4']],
  ['derived excluded', A, { derived: 'exclude' }, ['p1', 'p2']],
  ['derived only', A, { derived: 'only' }, ['p4']],
  [
    'derived only, with a search of patients',
    { and: [A, { search: 'Patient?gender=female' }] },
    { derived: 'only' },
    ['p4'],
  ],
  [
    'after within',
    { search: 'Encounter?class=IMP', after: { search: 'Encounter?class=EMER', withinDays: 30 } },
    {},
    ['p1'],
  ],
  [
    'after within longer',
    { search: 'Encounter?class=IMP', after: { search: 'Encounter?class=EMER', withinDays: 365 } },
    {},
    ['p1', 'p2'],
  ],
  ['after itself', { search: 'Encounter', after: { search: 'Encounter', withinDays: 20 } }, {}, ['p1']],
  [
    'before, without a limit',
    { search: 'Encounter?class=EMER', before: { search: 'Encounter?class=IMP' } },
    {},
    ['p1', 'p2'],
  ],
  [
    'before within',
    { search: 'Encounter?class=EMER', before: { search: 'Encounter?class=IMP', withinDays: 30 } },
    {},
    ['p1'],
  ],
  [
    'within, either way',
    { search: 'Encounter?class=IMP', within: { search: 'Encounter?class=EMER', withinDays: 30 } },
    {},
    ['p1', 'p3'],
  ],
  ['at least two', { search: 'Encounter', count: { min: 2 } }, {}, ['p1', 'p2', 'p3']],
  ['at least two of what few have', { search: 'Condition', count: { min: 2 } }, {}, ['p2']],
  ['exactly one', { search: 'Condition', count: { min: 1, max: 1 } }, {}, ['p1', 'p3', 'p4']],
  ['none', { search: 'Condition?code=B', count: { max: 0 } }, {}, ['p1', 'p4']],
  ['at most one', { search: 'Condition', count: { max: 1 } }, {}, ['p1', 'p3', 'p4']],
  [
    'a number of matches after',
    { search: 'Encounter', after: { search: 'Condition?code=A' }, count: { min: 2 } },
    {},
    ['p1', 'p2'],
  ],
  [
    'what the index finds too much of, counted',
    { search: 'Condition?code:text=disease', count: { min: 2 } },
    {},
    ['p2'],
  ],
  ['what the index finds too much of', { search: 'Condition?code:text=disease a' }, {}, ['p1', 'p2', 'p4']],
  [
    'after, with what the index finds too much of',
    {
      search: 'Condition?code:text=disease b',
      after: { search: 'Condition?code:text=disease a', withinDays: 400 },
    },
    {},
    ['p2'],
  ],
  ['a resource in two compartments', { search: 'Observation?code=match' }, {}, ['p3', 'p4']],
  ['nobody', { search: 'Condition?code=none' }, {}, []],
];

describe('a cohort has the patients its criteria mean', () => {
  test.each(ROWS)('%s', async (_name, criteria, more, expected) => {
    expect(await membersOf(criteria, more)).toEqual(expected);
  });
});

test('the Group keeps the criteria, the members and their number', async () => {
  const definition = {
    name: 'kept',
    description: 'A & <b>',
    criteria: { and: [A, { not: B }] },
    derived: 'include',
    mode: 'snapshot',
  };
  const { cohort, group } = await cohorts.create(tenant, definition, { actor, base });
  expect(group).toMatchObject({
    resourceType: 'Group',
    type: 'person',
    actual: true,
    name: 'kept',
    quantity: 2,
  });
  expect(JSON.parse((group.extension as { valueString: string }[])[0]!.valueString)).toEqual(definition);
  expect((group.member as { entity: { reference: string } }[]).map((m) => m.entity.reference).sort()).toEqual(
    ['Patient/p1', 'Patient/p4'],
  );
  expect(cohort).toMatchObject({ name: 'kept', size: 2, mode: 'snapshot', derived: 'include' });
  expect(await cohorts.find(tenant, 'kept', base)).toEqual(cohort);
  expect(await cohorts.find(tenant, cohort.id, base)).toEqual(cohort);
  expect((await cohorts.list(tenant, base)).map((c) => c.name)).toContain('kept');
});

test('a snapshot stays as it was, a live cohort follows', async () => {
  const snapshot = await cohorts.create(
    tenant,
    { name: 'then', criteria: { search: 'Condition?code=Z' } },
    { actor, base },
  );
  const live = await cohorts.create(
    tenant,
    { name: 'now', mode: 'live', criteria: { search: 'Condition?code=Z' } },
    { actor, base },
  );
  expect(live.group.member).toBeUndefined();
  const late = condition('p1', 'Z');
  await store.commit(tenant, [{ op: 'create', type: 'Condition', id: late.id!, resource: late }], actor);
  expect(await members(snapshot.cohort.id)).toEqual([]);
  expect(await members(live.cohort.id)).toEqual(['p1']);
});

test('a name is taken once; replacing makes a new version of the same Group', async () => {
  const first = await cohorts.create(tenant, { name: 'a|b, c', criteria: A }, { actor, base });
  await expect(
    cohorts.create(tenant, { name: 'a|b, c', criteria: B }, { actor, base }),
  ).rejects.toMatchObject({ category: 'conflict', at: 'name' });
  const second = await cohorts.create(
    tenant,
    { name: 'a|b, c', criteria: B },
    { actor, base, replace: true },
  );
  expect([second.cohort.id, second.group.meta.versionId]).toEqual([first.cohort.id, '2']);
  expect(await members(first.cohort.id)).toEqual(['p2', 'p3']);
});

test('one name from many requests at once makes one cohort', async () => {
  const all = await Promise.allSettled(
    Array.from({ length: 4 }, () => cohorts.create(tenant, { name: 'race', criteria: A }, { actor, base })),
  );
  expect(all.filter((r) => r.status === 'fulfilled')).toHaveLength(1);
  expect((await cohorts.list(tenant, base)).filter((c) => c.name === 'race')).toHaveLength(1);
});

// What is refused, at which place.
const REFUSED: [string, unknown, string, string][] = [
  ['no name', { criteria: A }, 'invalid', 'name'],
  ['no criteria', { name: 'x' }, 'invalid', 'criteria'],
  ['an unknown part', { name: 'x', criteria: A, size: 3 }, 'invalid', 'size'],
  ['two kinds at once', { name: 'x', criteria: { and: [A], or: [B] } }, 'invalid', 'criteria'],
  ['an empty list', { name: 'x', criteria: { and: [] } }, 'invalid', 'criteria.and'],
  [
    'not a search',
    { name: 'x', criteria: { and: [A, { search: 'drop table' }] } },
    'invalid',
    'criteria.and[1].search',
  ],
  [
    'days below zero',
    { name: 'x', criteria: { ...A, after: { ...B, withinDays: -1 } } },
    'invalid',
    'criteria.after.withinDays',
  ],
  [
    'after without search',
    { name: 'x', criteria: { and: [A], after: { ...B, withinDays: 3 } } },
    'invalid',
    'criteria',
  ],
  ['no moment', { name: 'x', criteria: A, asOf: 'yesterday' }, 'invalid', 'asOf'],
  ['an empty count', { name: 'x', criteria: { ...A, count: {} } }, 'invalid', 'criteria.count'],
  [
    'a count the wrong way round',
    { name: 'x', criteria: { ...A, count: { min: 2, max: 1 } } },
    'invalid',
    'criteria.count',
  ],
  ['half a match', { name: 'x', criteria: { ...A, count: { min: 0.5 } } }, 'invalid', 'criteria.count.min'],
  [
    'within without days',
    { name: 'x', criteria: { ...A, within: B } },
    'invalid',
    'criteria.within.withinDays',
  ],
  ['two relations', { name: 'x', criteria: { ...A, after: B, before: B } }, 'invalid', 'criteria'],
  ['another mode', { name: 'x', criteria: A, mode: 'sometimes' }, 'invalid', 'mode'],
];

test.each(REFUSED)('a definition with %s is refused', (_name, definition, category, at) => {
  let caught: unknown;
  try {
    parseDefinition(definition);
  } catch (error) {
    caught = error;
  }
  expect(caught).toMatchObject({ category, at });
});

test('a search the server does not understand is refused, and nothing is stored', async () => {
  const asked = cohorts.create(
    tenant,
    { name: 'odd', criteria: { search: 'Condition?nonsense=1' } },
    { actor, base },
  );
  await expect(asked).rejects.toMatchObject({ category: 'invalid', at: 'nonsense' });
  await expect(cohorts.find(tenant, 'odd', base)).rejects.toMatchObject({ category: 'not-found' });
});

test('a cohort of the past has who was known then: changed, deleted, added and moved since', async () => {
  const put = (resource: Resource) =>
    store.commit(tenant, [{ op: 'update', type: resource.resourceType, id: resource.id!, resource }], actor);
  const own = (id: string, who: string, code: string, more: object = {}) =>
    put({ ...condition(who, code, '2020-05-01', more), id });
  await own('stays', 'p1', 'T');
  await own('changes', 'p2', 'T');
  await own('goes', 'p3', 'T');
  await own('moves', 'p4', 'T', fromNote('n2'));
  await new Promise((resume) => setTimeout(resume, 5));
  const then = new Date().toISOString();
  await new Promise((resume) => setTimeout(resume, 5));
  await own('changes', 'p2', 'U');
  await store.commit(tenant, [{ op: 'delete', type: 'Condition', id: 'goes' }], actor);
  await own('moves', 'p1', 'T', fromNote('n2'));
  await own('comes', 'p3', 'V');
  const T = { search: 'Condition?code=T' };
  const text = { search: 'Condition?code:text=disease t' };
  expect(await membersOf(T)).toEqual(['p1']);
  for (const criteria of [T, text]) {
    expect(await membersOf(criteria, { asOf: then })).toEqual(['p1', 'p2', 'p3', 'p4']);
    expect(await membersOf(criteria, { asOf: then, derived: 'exclude' })).toEqual(['p1', 'p2', 'p3']);
    expect(await membersOf(criteria, { asOf: then, derived: 'only' })).toEqual(['p4']);
  }
  expect(await membersOf({ not: { search: 'Condition?code=V' } }, { asOf: then })).toEqual([
    'p1',
    'p2',
    'p3',
    'p4',
  ]);
  expect(await membersOf({ not: { search: 'Condition?code=V' } })).toEqual(['p1', 'p2', 'p4']);
  expect(await membersOf(T, { asOf: '2001-01-01' })).toEqual([]);
  expect(await membersOf({ not: T }, { asOf: '2001-01-01' })).toEqual([]);
});

test('a preview counts every criterion and stores nothing', async () => {
  const before = (await cohorts.list(tenant, base)).length;
  expect(await cohorts.preview(tenant, { criteria: { and: [A, { not: B }] } }, base)).toEqual({
    size: 2,
    criteria: [
      { at: 'criteria', size: 2 },
      { at: 'criteria.and[0]', size: 3, search: A.search },
      { at: 'criteria.and[1]', size: 2 },
      { at: 'criteria.and[1].not', size: 2, search: B.search },
    ],
  });
  expect((await cohorts.list(tenant, base)).length).toBe(before);
});

test('a Group with member filters has the patients they mean: alternatives of a type, several types together', async () => {
  const filter = (expression: string, language = 'application/x-fhir-query') => ({
    url: 'http://hl7.org/fhir/uv/bulkdata/StructureDefinition/member-filter',
    valueExpression: { language, expression },
  });
  const group = async (id: string, ...modifierExtension: object[]) => {
    const resource = {
      resourceType: 'Group',
      id,
      type: 'person',
      actual: false,
      name: id,
      modifierExtension,
    };
    await store.commit(tenant, [{ op: 'update', type: 'Group', id, resource }], actor);
    return id;
  };
  expect(await members(await group('g1', filter('Condition?code=urn:codes|A')))).toEqual(['p1', 'p2', 'p4']);
  expect(await members(await group('g2', filter('Condition?code=A'), filter('Condition?code=B')))).toEqual([
    'p1',
    'p2',
    'p3',
    'p4',
  ]);
  expect(await members(await group('g3', filter('Condition?code=A'), filter('Patient?gender=male')))).toEqual(
    ['p1'],
  );
  expect(await cohorts.find(tenant, 'g3', base)).toMatchObject({ name: 'g3', mode: 'live' });
});

describe('time relations between what records say and what was read out of notes', () => {
  const inDays = (days: number) => new Date(Date.UTC(2023, 0, 1 + days)).toISOString().slice(0, 10);
  const drug = (who: string, day: number, more: object = {}): Resource => ({
    resourceType: 'MedicationStatement',
    id: `m${n++}`,
    status: 'active',
    medicationCodeableConcept: { coding: [{ system: 'urn:codes', code: 'metformin' }] },
    subject: { reference: `Patient/${who}` },
    effectiveDateTime: inDays(day),
    ...more,
  });
  const a1c = (who: string, day: number, value: number, more: object = {}): Resource => ({
    resourceType: 'Observation',
    id: `h${n++}`,
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '4548-4' }] },
    subject: { reference: `Patient/${who}` },
    effectiveDateTime: inDays(day),
    valueQuantity: { value, unit: '%', system: 'http://unitsofmeasure.org', code: '%' },
    ...more,
  });
  const HIGH = 'Observation?code=http://loinc.org|4548-4&value-quantity=gt9';
  const DRUG = 'MedicationStatement?code=urn:codes|metformin';

  beforeAll(async () => {
    const note = fromNote('n9');
    const records = [
      ...['r1', 'r2', 'r3', 'r4', 'r5', 'r6'].map((id) => patient(id, 'female')),
      // Both structured; the drug from a note; the value from a note; both from notes; too late; the wrong way round.
      drug('r1', 0),
      a1c('r1', 60, 9.4),
      drug('r2', 0, note),
      a1c('r2', 60, 9.4),
      drug('r3', 0),
      a1c('r3', 60, 9.4, note),
      drug('r4', 0, note),
      a1c('r4', 60, 9.4, note),
      drug('r5', 0, note),
      a1c('r5', 120, 9.4),
      drug('r6', 60, note),
      a1c('r6', 0, 9.4),
    ];
    await store.commit(
      tenant,
      records.map((resource) => ({ op: 'update', type: resource.resourceType, id: resource.id!, resource })),
      actor,
    );
  });

  test.each<[string, object, object, string[]]>([
    ['both count', { after: { search: DRUG, withinDays: 90 } }, {}, ['r1', 'r2', 'r3', 'r4']],
    ['those of records alone', { after: { search: DRUG, withinDays: 90 } }, { derived: 'exclude' }, ['r1']],
    ['those of notes alone', { after: { search: DRUG, withinDays: 90 } }, { derived: 'only' }, ['r4']],
    ['without an end', { after: { search: DRUG } }, {}, ['r1', 'r2', 'r3', 'r4', 'r5']],
    ['before', { before: { search: DRUG } }, {}, ['r6']],
    ['within, either way', { within: { search: DRUG, withinDays: 60 } }, {}, ['r1', 'r2', 'r3', 'r4', 'r6']],
  ])('%s', async (_what, relation, more, who) => {
    const criteria = { search: HIGH, ...relation };
    expect(await membersOf(criteria, more)).toEqual(who);
    const now = new Date(system.clock.now()).toISOString();
    expect(await membersOf(criteria, { ...more, asOf: now })).toEqual(who);
  });
});
