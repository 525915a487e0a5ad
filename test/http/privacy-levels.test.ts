import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { INDEX_PRIVACY_LEVELS } from '../../src/core/blind.js';
import { patient, type Served, serve } from './served.js';

/** Whatever is asked of a tenant, the answer is the same at each level of index privacy. */
let served: Served;
const LEVELS = INDEX_PRIVACY_LEVELS;

beforeAll(async () => {
  served = await serve({ dev: false });
  for (const indexPrivacy of LEVELS) {
    await served.system.tenants.create(indexPrivacy, { indexPrivacy });
    for (const resource of RECORDS)
      await call(indexPrivacy, 'put', `${resource.resourceType}/${resource.id}`, resource);
  }
});
afterAll(() => served.close());

const observation = (id: string, p: string, code: string, day: string, value: number, more = {}) => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  subject: { reference: `Patient/${p}` },
  category: [
    {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'laboratory' }],
    },
  ],
  code: { coding: [{ system: 'http://loinc.org', code }], text: `Test ${code}` },
  effectiveDateTime: day,
  valueQuantity: { value, system: 'http://unitsofmeasure.org', code: 'mg/dL', unit: 'mg/dL' },
  ...more,
});

const RECORDS: readonly { resourceType: string; id: string }[] = [
  { resourceType: 'Organization', id: 'org', name: 'Weir Clinic' },
  patient({ id: 'p1', gender: 'female', identifier: [{ system: 'urn:mrn', value: '1' }] }),
  patient({ id: 'p2', gender: 'male', birthDate: '1991-11-30', name: [{ family: 'Birch', given: ['Kim'] }] }),
  patient({ id: 'p3', gender: 'female', managingOrganization: { reference: 'Organization/org' } }),
  observation('o1', 'p1', '2345-7', '2024-03-01', 90),
  observation('o2', 'p1', '2345-7', '2024-03-20', 140),
  observation('o3', 'p1', '4548-4', '2023-12-31T23:30:00Z', 6, { status: 'preliminary' }),
  observation('o4', 'p2', '2345-7', '2024-03-02', 85),
  { ...observation('o5', 'p3', '718-7', '2020', 13), effectiveDateTime: undefined },
  {
    resourceType: 'Condition',
    id: 'c1',
    subject: { reference: 'Patient/p1' },
    code: {
      coding: [{ system: 'http://hl7.org/fhir/sid/icd-10-cm', code: 'E11.9', display: 'Type 2 diabetes' }],
    },
    onsetDateTime: '2019-05',
  },
  {
    resourceType: 'Appointment',
    id: 'a1',
    status: 'booked',
    start: '2024-05-01T10:00:00Z',
    end: '2024-05-01T10:30:00Z',
    participant: ['p1', 'p2'].map((id) => ({ status: 'accepted', actor: { reference: `Patient/${id}` } })),
  },
] as never;

async function call(
  level: string,
  method: 'get' | 'post' | 'put' | 'delete',
  path: string,
  body?: unknown,
  scope = 'system/*.cruds',
  headers: Record<string, string> = {},
) {
  const token = await served.token(level, scope);
  const request = supertest(served.app.express)
    [method](`/fhir/${level}/${path}`)
    .set('Authorization', `Bearer ${token}`);
  for (const [name, value] of Object.entries(headers)) request.set(name, value);
  return body === undefined
    ? request
    : request.set('Content-Type', 'application/fhir+json').send(body as object);
}

/** What does not depend on the tenant: status, total, and which resources, in their order where one was asked for. */
async function answer(level: string, path: string, scope?: string) {
  const { status, body } = await call(level, 'get', path, undefined, scope);
  const entries: string[] = (body.entry ?? []).map(
    (e: { resource: { resourceType: string; id?: string; date?: string }; search?: { mode: string } }) =>
      `${e.search?.mode ?? ''} ${e.resource.resourceType}/${e.resource.id ?? ''}`,
  );
  const ordered = /_sort|timeline/.test(path);
  return { path, status, total: body.total, entries: ordered ? entries : entries.sort() };
}

const REQUESTS: readonly (readonly [path: string, count: number])[] = [
  ['Observation?code=http://loinc.org|2345-7', 3],
  ['Observation?code=2345-7&date=ge2024-03-02&_total=accurate', 2],
  ['Observation?code:not=2345-7', 2],
  ['Observation?code:text=test 2345', 3],
  ['Observation?code-value-quantity=2345-7$gt100', 1],
  ['Observation?value-quantity=lt10', 1],
  ['Observation?date=2024-03&_sort=-date', 3],
  ['Observation?_sort=date,-_id', 5],
  ['Observation?date:missing=true', 1],
  ['Observation?status=preliminary&category=laboratory', 1],
  ['Observation?_summary=count&code=2345-7', 0],
  ['Observation?patient=p1&_include=Observation:subject&code=2345-7', 3],
  ['Observation?patient.family=birch', 1],
  ['Patient?family=alder&_revinclude=Observation:subject', 6],
  ['Patient?name:contains=irc', 1],
  ['Patient?birthdate=1991-11-30', 1],
  ['Patient?identifier=urn:mrn|1', 1],
  ['Patient?_has:Observation:patient:code=718-7', 1],
  ['Patient?organization.name=weir', 1],
  ['Patient?_content=kim', 1],
  ['Patient/p1/Observation?code=4548-4', 1],
  ['Patient/p1/$everything', 6],
  ['Patient/p1/$timeline', 5],
  ['Patient/p1/$timeline?start=2024-03-02&_sort=-date', 2],
  ['Condition?onset-date=2019', 1],
  ['Appointment?patient=p2', 1],
];

describe('the same answer at each level', () => {
  it.each(REQUESTS)('GET %s', async (path, count) => {
    const [exact, ...others] = await Promise.all(LEVELS.map((level) => answer(level, path)));
    expect({ path, status: exact!.status, entries: exact!.entries.length }).toEqual({
      path,
      status: 200,
      entries: count,
    });
    for (const other of others) expect(other).toEqual(exact);
  });

  const SCOPES = [
    'system/Observation.rs?status=final system/Patient.rs',
    'system/Observation.rs?code=2345-7 system/Patient.rs?gender=female',
    'system/Observation.rs?category=laboratory&status=preliminary',
  ];
  it.each(SCOPES)('to a token with the scope %s', async (scope) => {
    for (const path of [
      'Observation',
      'Observation?_summary=count',
      'Observation?code=2345-7&_sort=date&_total=accurate',
      'Observation?subject:Patient.family=alder',
      'Patient?_has:Observation:patient:code=4548-4',
      'Patient?_revinclude=Observation:subject',
      'Observation/o3',
      'Observation/o1',
    ]) {
      const [exact, ...others] = await Promise.all(LEVELS.map((level) => answer(level, path, scope)));
      for (const other of others) expect(other).toEqual(exact);
      if (path === 'Observation') expect(exact!.entries.length).toBeGreaterThan(0);
    }
  });

  it('to conditional writes and bundles', async () => {
    const outcomes = await Promise.all(
      LEVELS.map(async (level) => {
        const known = { 'If-None-Exist': 'identifier=urn:mrn|1' };
        const fresh = { 'If-None-Exist': 'identifier=urn:mrn|2' };
        const someone = patient({ identifier: [{ system: 'urn:mrn', value: '2' }] });
        const statuses = [
          (await call(level, 'post', 'Patient', someone, undefined, known)).status,
          (await call(level, 'post', 'Patient', someone, undefined, fresh)).status,
          (await call(level, 'post', 'Patient', someone, undefined, fresh)).status,
          (await call(level, 'put', 'Patient?identifier=urn:mrn|2', { ...someone, gender: 'other' })).status,
          (await call(level, 'get', 'Patient?identifier=urn:mrn|2&gender=other')).body.total,
        ];
        const bundle = {
          resourceType: 'Bundle',
          type: 'transaction',
          entry: [
            {
              request: { method: 'POST', url: 'Observation' },
              resource: {
                ...observation('', '', '1-1', '2024-01-01', 1),
                id: undefined,
                subject: { reference: 'Patient?identifier=urn:mrn|2' },
              },
            },
            { request: { method: 'DELETE', url: 'Observation?code=718-7' } },
          ],
        };
        const done = await call(level, 'post', '', bundle);
        const found = await answer(level, 'Observation?code=1-1&patient.identifier=urn:mrn|2&_summary=count');
        return {
          statuses,
          status: done.status,
          found: found.total,
          left: (await answer(level, 'Observation?code=718-7')).entries,
        };
      }),
    );
    expect(outcomes[0]).toEqual({ statuses: [200, 201, 200, 200, 1], status: 200, found: 1, left: [] });
    for (const outcome of outcomes) expect(outcome).toEqual(outcomes[0]);
  });

  it('to cohorts', async () => {
    const criteria = {
      and: [
        { search: 'Observation?code=2345-7&value-quantity=gt80' },
        { search: 'Observation?code=2345-7', after: { search: 'Observation?code=4548-4', withinDays: 70 } },
        { not: { search: 'Patient?gender=male' } },
      ],
    };
    const previews = await Promise.all(
      LEVELS.map(async (level) => {
        const tenant = await served.system.tenant(level);
        return served.rooms.cohorts.preview(tenant, { criteria }, served.rooms.baseOf(tenant));
      }),
    );
    expect(previews[0]!.size).toBe(1);
    for (const preview of previews) expect(preview).toEqual(previews[0]);
  });

  it('and the level is told in the CapabilityStatement', async () => {
    for (const level of LEVELS) {
      const { body } = await call(level, 'get', 'metadata');
      expect(body.rest[0].documentation).toContain(`Index privacy level "${level}"`);
    }
  });
});
