import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASE, patient, type Served, serve } from './served.js';

/** Operations of R4 (operations.html) on a small record. */
let served: Served;
const put = (resource: Record<string, unknown>) =>
  served.http().put(`${BASE}/${resource.resourceType}/${resource.id}`).send(resource).expect(201);
const observation = (id: string, code: string, date: string, over: Record<string, unknown> = {}) => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code }] },
  subject: { reference: 'Patient/p1' },
  effectiveDateTime: date,
  ...over,
});
const condition = (id: string, who: string, over: Record<string, unknown> = {}) => ({
  resourceType: 'Condition',
  id,
  subject: { reference: `Patient/${who}` },
  code: { text: id },
  ...over,
});

beforeAll(async () => {
  served = await serve();
  await put({ resourceType: 'Practitioner', id: 'dr', name: [{ family: 'Birch' }] });
  for (const id of ['p1', 'p2', 'p3'])
    await put(patient({ id, generalPractitioner: [{ reference: 'Practitioner/dr' }] }));
  await put({
    resourceType: 'Encounter',
    id: 'e1',
    status: 'finished',
    class: { code: 'AMB' },
    subject: { reference: 'Patient/p1' },
    participant: [{ individual: { reference: 'Practitioner/dr' } }],
  });
  await put(condition('c1', 'p1', { onsetDateTime: '2019-05-01', encounter: { reference: 'Encounter/e1' } }));
  await put(condition('c2', 'p1', { onsetDateTime: '2021-05-01' }));
  await put(condition('c3', 'p2'));
  await put(observation('o1', '718-7', '2020-01-01'));
  await put(observation('o2', '718-7', '2021-01-01'));
  await put(observation('o3', '718-7', '2022-01-01'));
  await put(observation('o4', '2345-7', '2020-06-01'));
  await put({
    resourceType: 'Group',
    id: 'g1',
    type: 'person',
    actual: true,
    member: ['p1', 'p2'].map((id) => ({ entity: { reference: `Patient/${id}` } })),
  });
});
afterAll(() => served.close());

const http = () => served.http();
interface Page {
  entry?: { resource: { resourceType: string; id: string }; search: { mode: string } }[];
  link: { relation: string; url: string }[];
}
const names = (body: Page) => (body.entry ?? []).map((e) => `${e.resource.resourceType}/${e.resource.id}`);

async function walk(start: string): Promise<string[]> {
  const found: string[] = [];
  let next: string | undefined = start;
  while (next) {
    const body: Page = (await http().get(next).expect(200)).body;
    found.push(...names(body));
    const link = body.link.find((l) => l.relation === 'next')?.url;
    next = link && new URL(link).pathname + new URL(link).search;
  }
  return found;
}

const OF_P1 = [
  'Patient/p1',
  'Encounter/e1',
  'Condition/c1',
  'Condition/c2',
  'Observation/o1',
  'Observation/o2',
  'Observation/o3',
  'Observation/o4',
];

describe('Patient/$everything', () => {
  it('gives the compartment and what it refers to', async () => {
    const found = new Set(await walk(`${BASE}/Patient/p1/$everything`));
    for (const name of [...OF_P1, 'Practitioner/dr']) expect(found).toContain(name);
    expect(found).not.toContain('Condition/c3');
    expect(found).not.toContain('Patient/p2');
  });

  it.each([1, 3, 100])('in pages of %i gives each resource of the compartment once', async (count) => {
    const found = (await walk(`${BASE}/Patient/p1/$everything?_count=${count}`)).filter(
      (n) => !n.startsWith('Practitioner'),
    );
    expect(found.filter((n) => OF_P1.includes(n)).sort()).toEqual([...OF_P1].sort());
  });

  it('is narrowed by type, by clinical dates and by time of change', async () => {
    expect(await walk(`${BASE}/Patient/p1/$everything?_type=Condition`)).toEqual(
      expect.arrayContaining(['Condition/c1', 'Condition/c2']),
    );
    expect(await walk(`${BASE}/Patient/p1/$everything?_type=Condition`)).toHaveLength(2);
    expect(
      await walk(
        `${BASE}/Patient/p1/$everything?_type=Condition,Observation&start=2021-01-01&end=2021-12-31`,
      ),
    ).toEqual(expect.arrayContaining(['Condition/c2', 'Observation/o2']));
    expect(await walk(`${BASE}/Patient/p1/$everything?_since=2999-01-01T00:00:00Z`)).toEqual([]);
  });

  it('refuses what is not there and what it cannot read', async () => {
    await http().get(`${BASE}/Patient/nobody/$everything`).expect(404);
    await http().get(`${BASE}/Patient/p1/$everything?start=soon`).expect(400);
    await http().get(`${BASE}/Patient/p1/$everything?_type=Nothing`).expect(400);
    await http().get(`${BASE}/Patient/p1/$everything?_count=none`).expect(400);
  });
});

describe('$everything, whole', () => {
  beforeAll(async () => {
    await put({ resourceType: 'Organization', id: 'org', name: 'Ward' });
    await put({ resourceType: 'Binary', id: 'scan', contentType: 'text/plain', data: 'eA==' });
    await put(
      patient({
        id: 'w',
        name: [{ family: 'Whole' }],
        managingOrganization: { reference: 'Organization/org' },
      }),
    );
    await put({
      resourceType: 'Encounter',
      id: 'we',
      status: 'finished',
      class: { code: 'AMB' },
      subject: { reference: 'Patient/w' },
      diagnosis: [{ condition: { reference: 'Condition/w0' } }],
    });
    for (let i = 0; i < 5; i++)
      await put(condition(`w${i}`, 'w', i === 0 ? {} : { encounter: { reference: 'Encounter/we' } }));
    await put(
      observation('wo', '718-7', '2020-01-01', {
        subject: { reference: 'Patient/w' },
        encounter: { reference: 'Encounter/we' },
      }),
    );
    await put({
      resourceType: 'MedicationRequest',
      id: 'wm',
      status: 'active',
      intent: 'order',
      subject: { reference: 'Patient/w' },
      encounter: { reference: 'Encounter/we' },
      medicationCodeableConcept: { text: 'Aspirin' },
      // No search parameter reads this one.
      supportingInformation: [{ reference: 'Organization/org' }],
      insurance: [{ reference: 'Coverage/elsewhere' }],
    });
    await put({
      resourceType: 'DocumentReference',
      id: 'wd',
      status: 'current',
      subject: { reference: 'Patient/w' },
      context: { encounter: [{ reference: 'Encounter/we' }] },
      content: [{ attachment: { contentType: 'application/octet-stream', url: 'Binary/scan' } }],
    });
  });
  const ENCOUNTER = [
    'Condition/w0',
    'Condition/w1',
    'Condition/w2',
    'Condition/w3',
    'Condition/w4',
    'DocumentReference/wd',
    'Encounter/we',
    'MedicationRequest/wm',
    'Observation/wo',
    'Patient/w',
  ];

  it.each([1, 2, 3, 100])(
    'of an Encounter comes in pages of %i matches, each resource of it once and what they refer to',
    async (count) => {
      const found = await walk(`${BASE}/Encounter/we/$everything?_count=${count}`);
      expect([...new Set(found)].sort()).toEqual([...ENCOUNTER, 'Binary/scan', 'Organization/org'].sort());
      const own = found.filter((n) => ENCOUNTER.includes(n) && n !== 'Patient/w' && n !== 'Condition/w0');
      expect(own.sort()).toEqual(ENCOUNTER.filter((n) => n !== 'Patient/w' && n !== 'Condition/w0'));
      const { body } = await http().get(`${BASE}/Encounter/we/$everything?_count=${count}`);
      const matches = (body as Page).entry!.filter(({ search }) => search.mode === 'match');
      expect(matches.length).toBeLessThanOrEqual(count);
    },
  );

  it('of a Patient brings what no search parameter points at, and the Binary of an attachment', async () => {
    for (const count of [1, 100])
      expect([...new Set(await walk(`${BASE}/Patient/w/$everything?_count=${count}`))].sort()).toEqual(
        [...ENCOUNTER, 'Binary/scan', 'Organization/org'].sort(),
      );
  });

  it('of an Encounter takes _type and _since', async () => {
    expect((await walk(`${BASE}/Encounter/we/$everything?_type=Condition&_count=2`)).sort()).toEqual([
      'Condition/w1',
      'Condition/w2',
      'Condition/w3',
      'Condition/w4',
    ]);
    expect(await walk(`${BASE}/Encounter/we/$everything?_type=Organization,Binary`)).toEqual(
      expect.arrayContaining(['Organization/org', 'Binary/scan']),
    );
    expect(await walk(`${BASE}/Encounter/we/$everything?_since=2999-01-01T00:00:00Z`)).toEqual([]);
  });

  it('with _since leaves out what was not changed, along as well', async () => {
    const since = new Date(Date.now() + 5).toISOString();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await http()
      .put(`${BASE}/Condition/w1`)
      .send(condition('w1', 'w', { encounter: { reference: 'Encounter/we' }, recordedDate: '2021' }))
      .expect(200);
    expect(await walk(`${BASE}/Patient/w/$everything?_since=${since}`)).toEqual(['Condition/w1']);
    expect(await walk(`${BASE}/Encounter/we/$everything?_since=${since}`)).toEqual(['Condition/w1']);
  });

  it('goes on with the next member where one leaves the Group between two pages', async () => {
    const group = (members: string[]) => ({
      resourceType: 'Group',
      id: 'g2',
      type: 'person',
      actual: true,
      member: members.map((id) => ({ entity: { reference: `Patient/${id}` } })),
    });
    await put(group(['p1', 'p2', 'p3']));
    const first = (await http().get(`${BASE}/Group/g2/$everything?_count=1000`).expect(200)).body as Page;
    await http()
      .put(`${BASE}/Group/g2`)
      .send(group(['p1', 'p3']))
      .expect(200);
    const next = new URL(first.link.find(({ relation }) => relation === 'next')!.url);
    expect(await walk(next.pathname + next.search)).toContain('Patient/p3');
  });

  it('of all patients gives every record, once each, in pages', async () => {
    const all = (await http().get(`${BASE}/Patient?_count=1000`).expect(200)).body as Page;
    for (const count of [2, 1000]) {
      const found = await walk(`${BASE}/Patient/$everything?_count=${count}`);
      const own = found.filter((n) => n.startsWith('Patient/') || n.startsWith('Condition/'));
      expect(new Set(own).size).toBe(own.length);
      expect(own).toEqual(expect.arrayContaining([...names(all), 'Condition/c3', 'Condition/w4']));
    }
    expect(await walk(`${BASE}/Patient/$everything?_type=MedicationRequest`)).toEqual([
      'MedicationRequest/wm',
    ]);
  });

  it('takes a POST with Parameters', async () => {
    const { body } = await http()
      .post(`${BASE}/Encounter/we/$everything`)
      .send({ resourceType: 'Parameters', parameter: [{ name: '_type', valueString: 'Observation' }] })
      .expect(200);
    expect(names(body)).toEqual(['Observation/wo']);
  });
});

describe('Group/$everything and Encounter/$everything', () => {
  it('gives every member, patient by patient', async () => {
    const found = new Set(await walk(`${BASE}/Group/g1/$everything?_count=2`));
    for (const name of [...OF_P1, 'Patient/p2', 'Condition/c3']) expect(found).toContain(name);
    expect(found).not.toContain('Patient/p3');
  });

  it('gives the encounter, what belongs to it and what it refers to', async () => {
    const found = await walk(`${BASE}/Encounter/e1/$everything`);
    expect(found).toEqual(
      expect.arrayContaining(['Encounter/e1', 'Condition/c1', 'Patient/p1', 'Practitioner/dr']),
    );
    expect(found).not.toContain('Condition/c2');
  });
});

describe('$meta, $meta-add, $meta-delete', () => {
  const tag = { system: 'https://example.org/tags', code: 'study' };
  const parameters = (meta: unknown) => ({
    resourceType: 'Parameters',
    parameter: [{ name: 'meta', valueMeta: meta }],
  });

  it('add and remove what they are given, and are found at once', async () => {
    const add = await http()
      .post(`${BASE}/Patient/p3/$meta-add`)
      .send(parameters({ tag: [tag], profile: ['https://example.org/p'] }))
      .expect(200);
    expect(add.body.parameter[0].valueMeta).toMatchObject({ tag: [tag], versionId: '2' });
    await http()
      .post(`${BASE}/Patient/p3/$meta-add`)
      .send(parameters({ tag: [tag] }))
      .expect(200);
    const { body } = await http().get(`${BASE}/Patient/p3/$meta`).expect(200);
    expect(body.parameter[0].valueMeta.tag).toEqual([tag]);
    expect(names((await http().get(`${BASE}/Patient?_tag=${tag.system}|${tag.code}`)).body)).toEqual([
      'Patient/p3',
    ]);
    await http()
      .post(`${BASE}/Patient/p3/$meta-delete`)
      .send(parameters({ tag: [tag] }))
      .expect(200);
    const after = await http().get(`${BASE}/Patient/p3`).expect(200);
    expect(after.body.meta.tag).toBeUndefined();
    expect(after.body.meta.profile).toEqual(['https://example.org/p']);
    expect(
      (await http().get(`${BASE}/Patient/p3/_history/2/$meta`).expect(200)).body.parameter[0].valueMeta.tag,
    ).toEqual([tag]);
  });

  it('refuse what is no meta', async () => {
    await http().post(`${BASE}/Patient/p3/$meta-add`).send({ resourceType: 'Parameters' }).expect(400);
    await http().post(`${BASE}/Patient/nobody/$meta-add`).send(parameters({})).expect(404);
  });
});

describe('Observation/$lastn', () => {
  it.each([
    ['', ['Observation/o3', 'Observation/o4']],
    ['&max=2', ['Observation/o3', 'Observation/o2', 'Observation/o4']],
    ['&code=http://loinc.org|718-7', ['Observation/o3']],
  ])('with %s gives the newest of each code', async (query, expected) => {
    const { body } = await http().get(`${BASE}/Observation/$lastn?patient=p1${query}`).expect(200);
    expect(names(body)).toEqual(expected);
  });

  it('needs a patient', async () => {
    await http().get(`${BASE}/Observation/$lastn`).expect(400);
  });
});

describe('$validate', () => {
  it.each([
    ['a good resource', patient(), 'information'],
    ['a bad date', patient({ birthDate: 'soon' }), 'error'],
    ['an unknown element', patient({ hobby: 'chess' }), 'error'],
  ])('%s: answers 200 with %s', async (_what, resource, severity) => {
    const { body } = await http().post(`${BASE}/Patient/$validate`).send(resource).expect(200);
    expect(body.resourceType).toBe('OperationOutcome');
    expect(body.issue[0].severity).toBe(severity);
  });

  it('takes Parameters, and a stored resource', async () => {
    const parameter = [
      { name: 'resource', resource: patient({ birthDate: 'soon' }) },
      { name: 'mode', valueCode: 'create' },
    ];
    const { body } = await http()
      .post(`${BASE}/Patient/$validate`)
      .send({ resourceType: 'Parameters', parameter })
      .expect(200);
    expect(body.issue[0].expression).toEqual(['Patient.birthDate']);
    expect((await http().get(`${BASE}/Patient/p1/$validate`).expect(200)).body.issue[0].severity).toBe(
      'information',
    );
  });
});

describe('Composition/$document', () => {
  it('gives the Composition first and all it leads to', async () => {
    await put({
      resourceType: 'Composition',
      id: 'comp',
      status: 'final',
      type: { text: 'Summary' },
      date: '2021-01-01',
      title: 'Summary',
      author: [{ reference: 'Practitioner/dr' }],
      subject: { reference: 'Patient/p1' },
      section: [{ title: 'Problems', entry: [{ reference: 'Condition/c1' }] }],
    });
    const { body } = await http().get(`${BASE}/Composition/comp/$document`).expect(200);
    for (const again of [
      await http().get(`${BASE}/Composition/$document?id=comp`).expect(200),
      await http()
        .post(`${BASE}/Composition/$document`)
        .send({ resourceType: 'Parameters', parameter: [{ name: 'id', valueUri: 'comp' }] })
        .expect(200),
    ])
      expect(names(again.body)).toEqual(names(body));
    await http().get(`${BASE}/Composition/$document`).expect(400);
    expect(body.type).toBe('document');
    expect(names(body)[0]).toBe('Composition/comp');
    expect(names(body)).toEqual(
      expect.arrayContaining(['Practitioner/dr', 'Patient/p1', 'Condition/c1', 'Encounter/e1']),
    );
    const kept = await http().get(`${BASE}/Composition/comp/$document?persist=true`).expect(200);
    await http().get(`${BASE}/Bundle/${kept.body.id}`).expect(200);
  });
});

describe('the compartment of a patient (R4 compartmentdefinition.html)', () => {
  it('is searched by type and as a whole', async () => {
    expect(names((await http().get(`${BASE}/Patient/p1/Condition`).expect(200)).body).sort()).toEqual([
      'Condition/c1',
      'Condition/c2',
    ]);
    expect(names((await http().get(`${BASE}/Patient/p1/Observation?code=2345-7`).expect(200)).body)).toEqual([
      'Observation/o4',
    ]);
    expect(names((await http().get(`${BASE}/Patient/p1/*`).expect(200)).body)).toEqual(
      expect.arrayContaining(['Encounter/e1', 'Condition/c1']),
    );
  });
});

describe('the compartments of encounters and practitioners', () => {
  it.each([
    ['Encounter/e1/Condition', ['Condition/c1']],
    ['Encounter/e1/Observation', []],
    ['Practitioner/dr/Encounter', ['Encounter/e1']],
    ['Practitioner/dr/Patient', ['Patient/p1', 'Patient/p2', 'Patient/p3']],
  ])('%s', async (path, expected) => {
    expect(names((await http().get(`${BASE}/${path}`).expect(200)).body).sort()).toEqual(expected);
  });

  it('have no members of types that the definition leaves out', async () => {
    await http().get(`${BASE}/Encounter/e1/Organization`).expect(404);
  });
});
