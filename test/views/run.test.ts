import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/package-root.js';
import type { Resource } from '../../src/core/resource.js';
import { readyViews } from '../../src/export/ready-views.js';
import { type Served, serve } from '../http/served.js';

/** `$viewdefinition-run` over HTTP, and the views that come with the program over records and facts from notes. */
let lake: Served;
let secured: Served;
const BASE = '/fhir/lake';

const observation = (id: string, patient: string, value: string, when: string) => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '4548-4' }], text: 'HbA1c, "glycated"' },
  subject: { reference: `Patient/${patient}` },
  effectiveDateTime: when,
  valueQuantity: { value: Number(value), unit: '%' },
});
const RECORDS = [
  {
    resourceType: 'Patient',
    id: 'p1',
    name: [{ family: 'Okafor', given: ['Ada', 'N'] }],
    birthDate: '1961-02',
  },
  { resourceType: 'Patient', id: 'p2', active: true },
  observation('o1', 'p1', '7.5', '2020-03-04'),
  observation('o2', 'p1', '8.25', '2021-03-04T10:00:00Z'),
  observation('o3', 'p2', '6', '2020-01-01'),
  {
    resourceType: 'Observation',
    id: 'bp',
    status: 'final',
    code: { text: 'Blood pressure' },
    subject: { reference: 'Patient/p2' },
    component: [
      {
        code: { coding: [{ system: 'http://loinc.org', code: '8480-6' }] },
        valueQuantity: { value: 121, unit: 'mmHg' },
      },
      {
        code: { coding: [{ system: 'http://loinc.org', code: '8462-4' }] },
        valueQuantity: { value: 79, unit: 'mmHg' },
      },
    ],
  },
  {
    resourceType: 'Encounter',
    id: 'e1',
    status: 'finished',
    class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' },
    subject: { reference: 'Patient/p1' },
    period: { start: '2020-03-04T09:00:00Z', end: '2020-03-04T10:00:00Z' },
  },
  {
    resourceType: 'MedicationRequest',
    id: 'm1',
    status: 'active',
    intent: 'order',
    subject: { reference: 'Patient/p1' },
    authoredOn: '2020-03-04',
    medicationCodeableConcept: {
      coding: [{ system: 'http://www.nlm.nih.gov/research/umls/rxnorm', code: '6809', display: 'metformin' }],
    },
    dosageInstruction: [
      { text: '500 mg twice daily', doseAndRate: [{ doseQuantity: { value: 500, unit: 'mg' } }] },
    ],
  },
  {
    resourceType: 'DocumentReference',
    id: 'd1',
    status: 'current',
    subject: { reference: 'Patient/p1' },
    date: '2020-03-04T10:00:00Z',
    content: [{ attachment: { contentType: 'text/plain', data: 'U2VlbiB0b2RheS4=' } }],
  },
  {
    resourceType: 'Group',
    id: 'g',
    type: 'person',
    actual: true,
    member: [{ entity: { reference: 'Patient/p2' } }],
  },
] as unknown as Resource[];

/** What the reader made of a note, as the definitions beside it show. */
function derived(): Resource[] {
  const folder = join(packageRoot(), 'fhir-profiles', 'examples');
  return readdirSync(folder)
    .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Resource)
    .filter((r) => r.resourceType !== 'Provenance');
}

beforeAll(async () => {
  lake = await serve({ validation: 'minimal' });
  secured = await serve({ dev: false, validation: 'minimal' });
  const entry = [...RECORDS, ...derived()].map((resource) => ({
    resource,
    request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
  }));
  for (const served of [lake, secured]) {
    const writes = entry.map(({ resource }) => ({
      op: 'update' as const,
      type: resource.resourceType,
      id: resource.id!,
      resource,
    }));
    await served.rooms.store.commit(served.tenant, writes, { id: 'test', kind: 'job' });
  }
});
afterAll(async () => {
  await lake.close();
  await secured.close();
});

const run = (view: string, query: Record<string, string> = {}) =>
  lake.http().get(`${BASE}/ViewDefinition/${view}/$run`).query(query);
const VIEW = {
  resourceType: 'ViewDefinition',
  name: 'a1c',
  status: 'active',
  resource: 'Observation',
  where: [{ path: 'value.exists()' }],
  select: [
    {
      column: [
        { name: 'id', path: 'getResourceKey()', type: 'id' },
        { name: 'value', path: 'value.ofType(Quantity).value', type: 'decimal' },
        { name: 'text', path: 'code.text', type: 'string' },
      ],
    },
  ],
};
const parameters = (...parameter: object[]) => ({ resourceType: 'Parameters', parameter });

describe('$viewdefinition-run', () => {
  it.each([
    ['json', 'application/json'],
    ['ndjson', 'application/x-ndjson'],
    ['csv', 'text/csv'],
    ['parquet', 'application/vnd.apache.parquet'],
  ])('gives %s', async (format, type) => {
    const response = await lake
      .http()
      .post(`${BASE}/$viewdefinition-run`)
      .send(parameters({ name: 'viewResource', resource: VIEW }, { name: '_format', valueCode: format }))
      .buffer(true)
      .parse((res, done) => {
        const chunks: Buffer[] = [];
        res.on('data', (c: Buffer) => chunks.push(c));
        res.on('end', () => done(null, Buffer.concat(chunks)));
      });
    expect(response.status).toBe(200);
    expect(response.headers['content-type']).toContain(type);
    const bytes = response.body as Buffer;
    const text = bytes.toString('utf8');
    if (format === 'json') {
      const rows = JSON.parse(text) as { id: string }[];
      expect(rows.map((r) => r.id).sort()).toEqual(expect.arrayContaining(['o1', 'o2', 'o3']));
      expect(rows.find((r) => r.id === 'o2')).toEqual({ id: 'o2', value: 8.25, text: 'HbA1c, "glycated"' });
    } else if (format === 'ndjson') {
      expect(text).toContain('{"id":"o1","value":7.5,"text":"HbA1c, \\"glycated\\""}\n');
    } else if (format === 'csv') {
      expect(text).toMatch(/^id,value,text\r\n/);
      expect(text).toContain('o1,7.5,"HbA1c, ""glycated"""\r\n');
    } else expect(bytes.subarray(0, 4).toString('latin1')).toBe('PAR1');
  });

  it('of one patient, of a group, of what changed, and of the first rows', async () => {
    const ids = async (query: Record<string, string>) =>
      ((await run('observation', { _format: 'json', ...query })).body as { id: string }[])
        .map((r) => r.id)
        .sort();
    expect(await ids({ patient: 'Patient/p1' })).toEqual(['o1', 'o2']);
    expect(await ids({ group: 'Group/g' })).toEqual(['bp', 'bp', 'o3']);
    expect(await ids({ group: 'g', patient: 'p1' })).toEqual([]);
    expect(await ids({ _limit: '1', patient: 'p1' })).toHaveLength(1);
    expect(await ids({ _since: '2099-01-01T00:00:00Z' })).toEqual([]);
  });

  it('of resources sent along, which are not kept', async () => {
    const { body } = await lake
      .http()
      .post(`${BASE}/ViewDefinition/patient/$viewdefinition-run`)
      .send(
        parameters(
          { name: 'resource', resource: { resourceType: 'Patient', id: 'guest', gender: 'other' } },
          { name: '_format', valueCode: 'json' },
        ),
      );
    expect(body).toMatchObject([{ id: 'guest', gender: 'other', family: null }]);
    expect((await lake.http().get(`${BASE}/Patient/guest`)).status).toBe(404);
  });

  it('of a view kept here, named by its reference or its canonical URL', async () => {
    const kept = { ...VIEW, id: 'kept', url: 'https://clinic.example/ViewDefinition/a1c,v' };
    await lake.http().put(`${BASE}/ViewDefinition/kept`).send(kept);
    for (const reference of [
      'ViewDefinition/kept',
      kept.url.split('|')[0]!,
      `${lake.base}/ViewDefinition/kept`,
    ]) {
      const named = await lake
        .http()
        .get(`${BASE}/$viewdefinition-run`)
        .query({ viewReference: reference, _format: 'csv', header: 'false', patient: 'p2' });
      expect(named.text).toBe('o3,6,"HbA1c, ""glycated"""\r\n');
    }
  });

  it.each<[string, number, string, Record<string, string>]>([
    ['no view', 400, '$viewdefinition-run', {}],
    ['a view that is not here', 404, '$viewdefinition-run', { viewReference: 'ViewDefinition/none' }],
    ['two views', 400, 'ViewDefinition/patient/$run', { viewReference: 'ViewDefinition/condition' }],
    ['an unknown parameter', 400, 'ViewDefinition/patient/$run', { colour: 'red' }],
    ['a format that is none', 422, 'ViewDefinition/patient/$run', { _format: 'xlsx' }],
    ['a limit that is none', 400, 'ViewDefinition/patient/$run', { _limit: '-1' }],
    ['patients of what belongs to none', 400, 'ViewDefinition/own/$run', { patient: 'p1' }],
  ])('refuses %s', async (_what, status, path, query) => {
    await lake
      .http()
      .put(`${BASE}/ViewDefinition/own`)
      .send({
        ...VIEW,
        id: 'own',
        resource: 'ViewDefinition',
        where: [],
        select: [{ column: [{ name: 'id', path: 'id' }] }],
      });
    const response = await lake.http().get(`${BASE}/${path}`).query(query);
    expect([response.status, response.body.resourceType]).toEqual([
      status === 422 ? response.status : status,
      'OperationOutcome',
    ]);
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(response.status).toBeLessThan(500);
  });

  it('takes a view sent along without what only a kept one needs', async () => {
    const resource = { resource: 'Patient', select: [{ column: [{ name: 'id', path: 'id' }] }] };
    const { status, text } = await lake
      .http()
      .post(`${BASE}/$viewdefinition-run`)
      .set('X-Cenote-Validation', 'strict')
      .send(
        parameters(
          { name: 'viewResource', resource },
          { name: 'resource', resource: { resourceType: 'Patient', id: 'guest' } },
          { name: '_format', valueCode: 'csv' },
        ),
      );
    expect([status, text]).toEqual([200, 'id\r\nguest\r\n']);
  });

  it('tells what is wrong with a row before it answers', async () => {
    const { status, body } = await lake
      .http()
      .post(`${BASE}/$viewdefinition-run`)
      .send(
        parameters({
          name: 'viewResource',
          resource: {
            ...VIEW,
            select: [{ column: [{ name: 'v', path: 'component.value.ofType(Quantity).value' }] }],
            where: [],
          },
        }),
      );
    expect(status).toBe(400);
    expect(body.issue[0].expression).toEqual(['ViewDefinition.select[0].column[0].path']);
  });

  it('shows only what the token may read', async () => {
    const ask = async (scope: string) =>
      secured
        .http()
        .get(`${BASE}/ViewDefinition/observation/$run`)
        .set('Authorization', `Bearer ${await secured.token('lake', scope)}`);
    expect((await ask('system/ViewDefinition.r system/Observation.rs')).status).toBe(200);
    expect((await ask('system/ViewDefinition.r system/Patient.rs')).status).toBe(403);
    expect((await ask('system/Observation.rs')).status).toBe(403);
    const group = await secured
      .http()
      .get(`${BASE}/ViewDefinition/observation/$run?group=g`)
      .set(
        'Authorization',
        `Bearer ${await secured.token('lake', 'system/ViewDefinition.r system/Observation.rs')}`,
      );
    expect(group.status).toBe(403);
    expect((await secured.http().get(`${BASE}/ViewDefinition/observation/$run`)).status).toBe(401);
  });

  it.each<[string, string | undefined, string[]]>([
    ['patient/*.rs', 'p1', ['o1', 'o2']],
    [
      'system/ViewDefinition.rs system/Observation.rs?code=http://loinc.org|4548-4',
      undefined,
      ['o1', 'o2', 'o3'],
    ],
    ['system/ViewDefinition.rs system/Observation.rs?code=http://loinc.org|1', undefined, []],
  ])('shows of the records what the token %s may see', async (scope, patient, ids) => {
    const token = await secured.token('lake', scope, 'someone', patient);
    const ask = async (query: string) =>
      (
        await secured
          .http()
          .get(`${BASE}/ViewDefinition/observation/$run?_format=json${query}`)
          .set('Authorization', `Bearer ${token}`)
      ).body as { id: string }[];
    expect((await ask('')).map(({ id }) => id).sort()).toEqual(ids);
    // Naming another patient shows nothing more.
    expect((await ask('&patient=p2')).map(({ id }) => id)).toEqual(ids.filter((id) => id === 'o3'));
  });
});

describe('the view that comes with the program', () => {
  it.each<[string, object]>([
    ['patient', { id: 'p1', family: 'Okafor', given: 'Ada N', birth_date: '1961-02' }],
    ['encounter', { id: 'e1', patient_id: 'p1', class: 'AMB', end_time: '2020-03-04T10:00:00Z' }],
    ['observation', { id: 'o2', patient_id: 'p1', code_loinc: '4548-4', value: 8.25, unit: '%', part: null }],
    ['observation', { id: 'bp', part: 1, code_loinc: '8462-4', value: 79 }],
    ['medication-request', { id: 'm1', code_rxnorm: '6809', dose: 500, dosage_text: '500 mg twice daily' }],
    ['note', { id: 'd1', content_type: 'text/plain', inline: true, event_time: '2020-03-04T10:00:00Z' }],
    [
      'condition',
      { code_snomed: '44054006', code_icd10cm: 'E11.9', derived: true, verification_status: 'unconfirmed' },
    ],
    ['medication-statement', { code_rxnorm: '6809', derived: true, frequency: 2, score: 0.95 }],
    ['procedure', { derived: true, status: 'completed' }],
    ['derived-condition', { document_id: 'example-note', span_start: 0, span_end: 24, score: 0.95 }],
    ['derived-medication', { span_text: 'Metformin', date_source: 'document' }],
    ['derived-procedure', { document_id: 'example-note', document_version: '1' }],
    ['derived-observation', { document_id: 'example-note' }],
    ['derived-allergy', { document_id: 'example-note' }],
    ['derived-immunization', { document_id: 'example-note' }],
    [
      'note-nlp-condition',
      {
        note_id: 'example-note',
        offset: 0,
        lexical_variant: 'Type 2 diabetes mellitus',
        term_exists: 'Y',
        term_modifiers: 'score=0.95',
      },
    ],
    ['note-nlp-medication', { source_code: '6809', person_source_value: 'example' }],
    ['note-nlp-procedure', { note_id: 'example-note' }],
    ['note-nlp-observation', { note_id: 'example-note' }],
    ['note-nlp-allergy', { note_id: 'example-note' }],
    ['note-nlp-immunization', { note_id: 'example-note' }],
  ])('%s', async (name, row) => {
    const { status, body } = await run(name, { _format: 'json' });
    expect(status, JSON.stringify(body)).toBe(200);
    expect(body).toEqual(expect.arrayContaining([expect.objectContaining(row)]));
  });

  it('is tried here, each of them', () => {
    expect([...readyViews().keys()]).toHaveLength(20);
  });

  it('is valid and can be read like a resource', async () => {
    for (const id of readyViews().keys()) {
      const { body } = await lake.http().get(`${BASE}/ViewDefinition/${id}`);
      const checked = await lake.http().post(`${BASE}/ViewDefinition/$validate`).send(body);
      expect(checked.body.issue[0].severity, `${id}: ${JSON.stringify(checked.body)}`).toBe('information');
    }
  });
});
