import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drainAnnotations } from '../../src/tasks/annotate.js';
import { BASE, patient, type Served, serve } from './served.js';

/** Our own operations through HTTP: documents and their annotation, timeline, cohort, annotate. */
let served: Served;
const woken: string[] = [];
beforeAll(async () => {
  served = await serve({ wake: (tenant) => woken.push(tenant) });
  await served
    .http()
    .put(`${BASE}/Patient/p1`)
    .send(patient({ id: 'p1' }))
    .expect(201);
});
afterAll(() => served.close());

const http = () => served.http();
const STATUS = 'https://cenote.health/fhir/StructureDefinition/annotation-status';
const note = (id: string, text: string | undefined, over: Record<string, unknown> = {}) => ({
  resourceType: 'DocumentReference',
  id,
  status: 'current',
  subject: { reference: 'Patient/p1' },
  date: '2021-04-05T09:00:00Z',
  content: [
    {
      attachment: {
        contentType: 'text/plain',
        ...(text ? { data: Buffer.from(text).toString('base64') } : { url: 'https://elsewhere.example/1' }),
      },
    },
  ],
  ...over,
});
interface Extended {
  extension?: { url: string; valueCode?: string }[];
}
const stateOf = (resource: Extended) => resource.extension?.find((e) => e.url === STATUS)?.valueCode;

describe('a document', () => {
  it('says how far its annotation is, and gives it when it is done', async () => {
    await http()
      .put(`${BASE}/DocumentReference/d1`)
      .send(note('d1', 'Assessment: The patient has hypertension. Started lisinopril 10 mg daily.'))
      .expect(201);
    expect(woken).toContain('lake');
    expect(stateOf((await http().get(`${BASE}/DocumentReference/d1`).expect(200)).body)).toBe('pending');
    await http().get(`${BASE}/DocumentReference/d1/$annotation`).expect(202);
    await drainAnnotations(await served.rooms.annotation(), served.tenant);
    const { body } = await http().get(`${BASE}/DocumentReference/d1`).expect(200);
    expect(stateOf(body)).toBe('done');
    const annotation = await http().get(`${BASE}/DocumentReference/d1/$annotation`).expect(200);
    expect(annotation.headers['content-type']).toMatch(/^application\/json/);
    expect(annotation.body.mentions.length).toBeGreaterThan(0);
    const found = await http().get(`${BASE}/DocumentReference?_id=d1`).expect(200);
    expect(stateOf(found.body.entry[0].resource)).toBe('done');
  });

  it('yields procedures that are found by their category: to find out, to treat, operations', async () => {
    const text =
      'Underwent laparoscopic appendectomy in 2014. Hemodialysis since 2019. Chest X-ray today is clear.';
    await http().put(`${BASE}/DocumentReference/d2`).send(note('d2', text)).expect(201);
    await drainAnnotations(await served.rooms.annotation(), served.tenant);
    const wordsOf = async (query: string): Promise<string[]> => {
      const { body } = await http().get(`${BASE}/Procedure?patient=p1&${query}`).expect(200);
      return ((body.entry ?? []) as { resource: { code: { text: string } } }[])
        .map(({ resource }) => resource.code.text.toLowerCase())
        .sort();
    };
    const SCT = 'http://snomed.info/sct';
    expect(await wordsOf('category=103693007')).toEqual(['chest x-ray']);
    expect(await wordsOf(`category=${SCT}|277132007`)).toEqual(['hemodialysis', 'laparoscopic appendectomy']);
    expect(await wordsOf(`category=${SCT}|387713003`)).toEqual(['laparoscopic appendectomy']);
    expect(await wordsOf('category:not=103693007')).toEqual(['hemodialysis', 'laparoscopic appendectomy']);
  });

  it('is stored without that state when a client sends it back', async () => {
    const { body } = await http().get(`${BASE}/DocumentReference/d1`).expect(200);
    await http()
      .put(`${BASE}/DocumentReference/d1`)
      .send({ ...body, description: 'read again' })
      .expect(200);
    expect(
      stateOf((await http().get(`${BASE}/DocumentReference/d1/_history/2`).expect(200)).body),
    ).toBeUndefined();
  });

  it('that is unknown has no annotation', async () => {
    await http().get(`${BASE}/DocumentReference/none/$annotation`).expect(404);
  });
});

describe('$timeline', () => {
  beforeAll(async () => {
    const condition = (id: string, date: string) => ({
      resourceType: 'Condition',
      id,
      subject: { reference: 'Patient/p1' },
      code: { text: `Finding ${id}` },
      onsetDateTime: date,
    });
    for (const [id, date] of [
      ['t1', '2019-01-01'],
      ['t2', '2020-06-01'],
      ['t3', '2018-03-01'],
    ] as const) {
      await http().put(`${BASE}/Condition/${id}`).send(condition(id, date)).expect(201);
    }
  });

  interface TimelineBody {
    entry: { resource: { id: string }; extension: { url: string; extension: { url: string }[] }[] }[];
    link: { relation: string; url: string }[];
  }
  const idsOf = (body: TimelineBody) => body.entry.map((e) => e.resource.id);

  it('lists events oldest first, each with when and what', async () => {
    const { body } = await http()
      .get(`${BASE}/Patient/p1/$timeline?_type=Condition&derived=exclude`)
      .expect(200);
    expect(idsOf(body)).toEqual(['t3', 't1', 't2']);
    const [event] = body.entry[0].extension;
    expect(event.url).toBe('https://cenote.health/fhir/StructureDefinition/timeline-event');
    expect(event.extension.map((e: { url: string }) => e.url)).toEqual(
      expect.arrayContaining(['when', 'recorded', 'kind', 'title', 'derived']),
    );
  });

  it('pages by its own links', async () => {
    const ids: string[] = [];
    let next: string | undefined =
      `${BASE}/Patient/p1/$timeline?_type=Condition&derived=exclude&_count=1&_sort=-date`;
    while (next) {
      const body: TimelineBody = (await http().get(next).expect(200)).body;
      ids.push(...idsOf(body));
      const link = body.link.find((l) => l.relation === 'next')?.url;
      next = link && new URL(link).pathname + new URL(link).search;
    }
    expect(ids).toEqual(['t2', 't1', 't3']);
  });

  it('takes its parameters in a POST too', async () => {
    const parameter = [
      { name: '_type', valueCode: 'Condition' },
      { name: 'derived', valueCode: 'exclude' },
      { name: 'start', valueDate: '2019' },
    ];
    const { body } = await http()
      .post(`${BASE}/Patient/p1/$timeline`)
      .send({ resourceType: 'Parameters', parameter })
      .expect(200);
    expect(idsOf(body)).toEqual(['t1', 't2']);
  });

  it.each([
    ['an unknown patient', `Patient/nobody/$timeline`, 404],
    ['an unreadable date', `Patient/p1/$timeline?start=yesterday`, 400],
    ['a type that is no event', `Patient/p1/$timeline?_type=Organization`, 400],
  ])('refuses %s', async (_what, path, status) => {
    await http().get(`${BASE}/${path}`).expect(status);
  });
});

describe('$cohort', () => {
  const definition = { name: 'With a finding', criteria: { search: 'Condition?code:text=Finding' } };

  it('makes a Group of the patients who meet the criteria, once per name', async () => {
    await http()
      .put(`${BASE}/Condition/c1`)
      .send({
        resourceType: 'Condition',
        id: 'c1',
        subject: { reference: 'Patient/p1' },
        code: { coding: [{ system: 's', code: 'gout' }] },
      })
      .expect(201);
    const cohort = { ...definition, criteria: { search: 'Condition?code=s|gout' } };
    const { body, headers } = await http().post(`${BASE}/Group/$cohort`).send(cohort).expect(201);
    expect(body).toMatchObject({
      resourceType: 'Group',
      quantity: 1,
      member: [{ entity: { reference: 'Patient/p1' } }],
    });
    expect(headers.location).toContain(`/Group/${body.id}/_history/1`);
    await http().post(`${BASE}/Group/$cohort`).send(cohort).expect(409);
    await http().post(`${BASE}/Group/$cohort?replace=true`).send(cohort).expect(200);
  });

  it('refuses a definition it cannot understand, naming the place', async () => {
    const { body } = await http()
      .post(`${BASE}/Group/$cohort`)
      .send({ name: 'x', criteria: { serach: 'y' } })
      .expect(400);
    expect(body.issue[0].expression).toEqual(['criteria']);
  });
});

describe('$annotate', () => {
  it('says what a text means and stores nothing', async () => {
    const { body } = await http()
      .post(`${BASE}/$annotate`)
      .send({ id: 'n1', text: 'He takes metformin 500 mg twice daily. No diabetes.' })
      .expect(200);
    expect(body.id).toBe('n1');
    expect(body.mentions.some((m: { type: string }) => m.type === 'medication')).toBe(true);
    await http().post(`${BASE}/$annotate`).send({ note: 'x' }).expect(400);
  });

  it('answers with the FHIR resources that a note would yield, and keeps none of them', async () => {
    const text = 'He takes metformin 500 mg twice daily. No diabetes. Mother had asthma.';
    const { body } = await http()
      .post(`${BASE}/$annotate?format=fhir`)
      .send({ text, subject: 'Patient/p1', date: '2024-05-06' })
      .expect(200);
    expect([body.resourceType, body.type]).toEqual(['Bundle', 'collection']);
    const found = body.entry.map(({ resource }: { resource: { resourceType: string } }) => resource);
    expect(found.map((r: { resourceType: string }) => r.resourceType).sort()).toEqual([
      'FamilyMemberHistory',
      'MedicationStatement',
      'Provenance',
    ]);
    const drug = found.find((r: { resourceType: string }) => r.resourceType === 'MedicationStatement');
    expect(drug.subject.reference).toBe('Patient/p1');
    await http().get(`${BASE}/MedicationStatement/${drug.id}`).expect(404);
    for (const wrong of ['Patient/', 'Group/g', 'Patient/p1?x=1'])
      await http().post(`${BASE}/$annotate?format=fhir`).send({ text, subject: wrong }).expect(400);
  });

  it('answers in the shapes of Comprehend Medical, by query or body, and reads its request', async () => {
    const text = '\u{1F48A} Mr. Okonkwo takes metformin 500 mg. No diabetes.';
    const of = (body: { Entities: Record<string, unknown>[] }) =>
      body.Entities.map((e) => [e.Text, e.Type, e.BeginOffset]);
    const entities = await http()
      .post(`${BASE}/$annotate?format=comprehend-entities`)
      .send({ Text: text })
      .expect(200);
    expect(of(entities.body)).toEqual([
      ['Okonkwo', 'NAME', 6],
      ['metformin', 'GENERIC_NAME', 20],
      ['diabetes', 'DX_NAME', 41],
    ]);
    expect(entities.body.Entities[2].Traits.map((t: { Name: string }) => t.Name)).toEqual([
      'DIAGNOSIS',
      'NEGATION',
    ]);
    const drugs = await http()
      .post(`${BASE}/$annotate`)
      .send({ text, format: 'comprehend-rxnorm' })
      .expect(200);
    expect(drugs.body.Entities).toHaveLength(1);
    expect(drugs.body.Entities[0].RxNormConcepts.length).toBeGreaterThan(0);
    const conditions = await http()
      .post(`${BASE}/$annotate`)
      .send({
        resourceType: 'Parameters',
        parameter: [
          { name: 'text', valueString: text },
          { name: 'format', valueCode: 'comprehend-icd10cm' },
        ],
      })
      .expect(200);
    expect(conditions.body.Entities[0].ICD10CMConcepts[0].Code).toMatch(/^E1/);
    await http().post(`${BASE}/$annotate?format=nonsense`).send({ text }).expect(400);
  });
});
