import { Client } from 'fhir-kit-client';
import supertest from 'supertest';
import { describe, expect, it } from 'vitest';
import { listen } from '../../src/http/server.js';
import {
  ACTOR,
  type Any,
  BASE,
  build,
  dev,
  exported,
  finished,
  kickOff,
  lines,
  local,
  names,
  observation,
  P1,
  rooms,
  system,
} from './bulk-lake.js';

/** Bulk Data Access 2.0 and 3.0 as a client meets it. */

describe('what an export gives', () => {
  it('is everything at system level, and as much as search counts', async () => {
    const { ids, manifest, resources } = await exported('$export');
    expect(ids).toEqual(names(() => true));
    for (const { type, count } of manifest.output) {
      const found = await supertest(dev).get(`${BASE}/${type}?_summary=count`).expect(200);
      expect(count).toBe(found.body.total);
    }
    expect(manifest.request).toMatch(/^http:.*\/fhir\/lake\/\$export$/);
    expect(manifest.requiresAccessToken).toBe(false);
    expect(manifest.deleted).toEqual([]);
    expect(manifest.error).toEqual([]);
    const doc = resources.find((r) => r.id === 'doc')!;
    expect(doc.content[0].attachment.url).toMatch(/^http:.*\/fhir\/lake\/Binary\/b1$/);
    expect(doc.meta.lastUpdated <= manifest.transactionTime).toBe(true);
  });

  it('is the compartments of all patients at patient level, with what they refer to', async () => {
    const { ids } = await exported('Patient/$export');
    const outside = ['Organization/stranger', 'Binary/b1', 'Provenance/pr3', 'PractitionerRole/role'];
    expect(ids).toEqual(names((r) => !outside.includes(`${r.resourceType}/${r.id}`)));
  });

  it('is the compartments of its members at group level, records of several patients among them', async () => {
    expect((await exported('Group/g/$export')).ids).toEqual(P1);
  });

  it('never holds another patient’s records where patients are named', async () => {
    const parameter = [{ name: 'patient', valueReference: { reference: 'Patient/p1' } }];
    const { ids } = await exported('Patient/$export', {}, { resourceType: 'Parameters', parameter });
    expect(ids).toEqual(P1.filter((name) => name !== 'Observation/both'));
  });

  const CASES: [string, string, Any, string[]][] = [
    [
      '_type',
      '$export',
      { _type: 'Patient,Encounter' },
      names((r) => /^(Patient|Encounter)$/.test(r.resourceType)),
    ],
    [
      '_type repeated',
      '$export',
      { _type: ['Patient', 'Encounter'] },
      names((r) => /^(Patient|Encounter)$/.test(r.resourceType)),
    ],
    ['_until in the past', '$export', { _until: '2020-01-01T00:00:00Z' }, []],
    ['_since in the future', 'Patient/$export', { _since: '2099-01-01T00:00:00Z' }, []],
    [
      '_typeFilter',
      '$export',
      { _type: 'Observation,Patient', _typeFilter: 'Observation?code=2345-7' },
      ['Observation/o2', 'Patient/p1', 'Patient/p2', 'Patient/p3'],
    ],
    [
      '_typeFilter with two searches',
      '$export',
      { _type: 'Observation', _typeFilter: 'Observation?code=2345-7,Observation?subject=Patient/p2' },
      ['Observation/o2'],
    ],
    [
      '_typeFilter of a group',
      'Group/g/$export',
      { _type: 'Observation', _typeFilter: 'Observation?code=4548-4' },
      ['Observation/both', 'Observation/o1'],
    ],
    ['no Provenance where types leave it out', 'Patient/$export', { _type: 'Encounter' }, ['Encounter/e1']],
    [
      'all relevant Provenance',
      '$export',
      { _type: 'Observation', includeAssociatedData: 'RelevantProvenanceResources' },
      [...names((r) => r.resourceType === 'Observation'), 'Provenance/pr1', 'Provenance/pr2'],
    ],
    [
      'the less restrictive of two',
      '$export',
      {
        _type: 'Observation',
        includeAssociatedData: 'LatestProvenanceResources,RelevantProvenanceResources',
      },
      [...names((r) => r.resourceType === 'Observation'), 'Provenance/pr1', 'Provenance/pr2'],
    ],
  ];
  it.each(CASES)('heeds %s', async (_title, path, query, expected) => {
    expect((await exported(path, query)).ids).toEqual([...expected].sort());
  });

  describe('organized by patient', () => {
    const blocksOf = async (query: Any): Promise<Record<string, string[]>> => {
      const answer = await kickOff('Patient/$export', { organizeOutputBy: 'Patient', ...query }).expect(202);
      const manifest = await finished(answer.headers['content-location']!);
      expect(manifest).toMatchObject({ outputOrganizedBy: 'Patient', output: [expect.anything()] });
      expect(manifest.output[0]).not.toHaveProperty('type');
      const blocks: Record<string, string[]> = {};
      let block: string[] = [];
      for (const resource of await lines(manifest.output[0]!.url)) {
        if (resource.resourceType !== 'Parameters') {
          block.push(`${resource.resourceType}/${resource.id}`);
          continue;
        }
        const [{ name, valueReference }] = resource.parameter;
        expect(name).toBe('header');
        expect(blocks).not.toHaveProperty(valueReference.reference);
        block = [];
        blocks[valueReference.reference] = block;
      }
      return blocks;
    };
    const BLOCKS: [string, Any, Record<string, string[]>][] = [
      [
        'is blocks, the Patient first, a record of several patients in each of theirs',
        { _type: 'Patient,Observation,Encounter', allowPartialManifests: 'true' },
        {
          'Patient/p1': ['Patient/p1', 'Encounter/e1', 'Observation/both', 'Observation/o1'],
          'Patient/p2': ['Patient/p2', 'Observation/both', 'Observation/o2'],
          'Patient/p3': ['Patient/p3', 'Observation/o3'],
        },
      ],
      [
        'holds of a type what one of its searches finds, and has no block for whom nothing is left',
        {
          _type: 'Observation,Encounter',
          _typeFilter: 'Observation?_id=o1,Observation?subject=Patient/p2,Observation?_id=none',
        },
        { 'Patient/p1': ['Encounter/e1', 'Observation/o1'], 'Patient/p2': ['Observation/o2'] },
      ],
      [
        'ends each block with the Provenance of what is in it',
        {
          _type: 'Patient,Observation',
          _typeFilter: 'Observation?_id=o1',
          includeAssociatedData: 'RelevantProvenanceResources',
        },
        {
          'Patient/p1': ['Patient/p1', 'Observation/o1', 'Provenance/pr1', 'Provenance/pr2'],
          'Patient/p2': ['Patient/p2'],
          'Patient/p3': ['Patient/p3'],
        },
      ],
    ];
    it.each(BLOCKS)('%s', async (_what, query, expected) => {
      const found = await blocksOf(query);
      for (const [owner, content] of Object.entries(expected)) {
        const patient = found[owner]?.includes(owner) ? [owner] : [];
        expect(found[owner]?.slice(0, patient.length)).toEqual(patient);
        expect([...(found[owner] ?? [])].sort()).toEqual([...content].sort());
      }
      expect(Object.keys(found).sort()).toEqual(Object.keys(expected));
    });
  });

  it('says nothing of who where asked to, ids replaced alike everywhere', async () => {
    const { resources, ids } = await exported('$export', { _deidentify: 'true' });
    expect(new Set(resources.map((r) => r.resourceType))).toEqual(
      new Set(['Patient', 'Observation', 'Encounter', 'DocumentReference']),
    );
    expect(ids).toHaveLength(9);
    expect(JSON.stringify(resources)).not.toMatch(/"(p1|o1|both|dr|e1)"|\/(p1|dr|org)"|1970-01-01/);
    const patients = new Set(
      resources.filter((r) => r.resourceType === 'Patient').map((r) => `Patient/${r.id}`),
    );
    for (const { subject } of resources) if (subject) expect(patients).toContain(subject.reference);
  });

  it('has a quality report beside it where asked', async () => {
    const answer = await kickOff('$export', { _qualityReport: 'true' }).expect(202);
    const manifest = (await finished(answer.headers['content-location']!)) as Any;
    const [html, json] = manifest.extension['https://cenote.health/fhir/quality-report'];
    const report = await supertest(dev)
      .get(local(json.url))
      .expect('Content-Type', /^application\/json/)
      .expect(200);
    const rows = Object.fromEntries(report.body.types.map((t: Any) => [t.type, t.rows]));
    expect(rows).toMatchObject({ Patient: 3, Observation: 4 });
    const page = await supertest(dev)
      .get(local(html.url))
      .expect('Content-Type', /^text\/html/)
      .expect(200);
    expect(page.headers['content-security-policy']).toContain('sandbox');
    expect(page.text).toContain('Quality of the data');
    await kickOff('$export', { _qualityReport: 'maybe' }).expect(400);
  });

  it('gives of Provenance the latest alone where asked', async () => {
    const { ids } = await exported('$export', {
      _type: 'Observation',
      includeAssociatedData: 'LatestProvenanceResources',
    });
    expect(ids.filter((id) => id.startsWith('Provenance/'))).toHaveLength(1);
  });

  it('gives mandatory and named elements alone, and says that they are a part', async () => {
    const { resources } = await exported('$export', {
      _type: 'Observation',
      _elements: 'Observation.subject',
    });
    for (const resource of resources) {
      expect(Object.keys(resource).sort()).toEqual([
        'code',
        'id',
        'meta',
        'resourceType',
        'status',
        'subject',
      ]);
      expect(resource.meta.tag.at(-1).code).toBe('SUBSETTED');
    }
  });
});

describe('a chain of exports', () => {
  it('tells what changed and what was deleted since the last', async () => {
    const tenant = await system.tenant('lake');
    const write = (op: 'update' | 'delete', id: string) =>
      rooms.store.commit(
        tenant,
        [
          {
            op,
            type: 'Observation',
            id,
            ...(op === 'update' ? { resource: observation(id, ['p1']) } : {}),
          } as never,
        ],
        ACTOR,
      );
    await write('update', 'short-lived');
    const first = await exported('Patient/$export');
    expect((await exported('Patient/$export', { _since: first.manifest.transactionTime })).ids).toEqual([]);
    await write('delete', 'short-lived');
    await write('update', 'new');
    const second = await exported('Patient/$export', { _since: first.manifest.transactionTime });
    // The physician of what is new comes along: the client may not know her yet.
    expect(second.ids).toEqual(['Observation/new', 'Practitioner/dr']);
    const [file] = second.manifest.deleted;
    expect(file!.type).toBe('Bundle');
    expect(await lines(file!.url)).toEqual([
      {
        resourceType: 'Bundle',
        type: 'transaction',
        entry: [{ request: { method: 'DELETE', url: 'Observation/short-lived' } }],
      },
    ]);
    const other = await exported('Group/g/$export', {
      _since: first.manifest.transactionTime,
      _type: 'Encounter',
    });
    expect(other.manifest.deleted).toEqual([]);
    await write('delete', 'new');
  });

  it('loses no write that was under way for long', { timeout: 20_000 }, async () => {
    const tenant = await system.tenant('lake');
    let letGo = () => {};
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const slow = rooms.store.transact(tenant, ACTOR, async (tx) => {
      const [written] = await tx.write([
        {
          op: 'create',
          type: 'Basic',
          id: 'slow',
          resource: { resourceType: 'Basic', id: 'slow', code: {} },
        },
      ]);
      await held;
      return written!;
    });
    await new Promise((resume) => setTimeout(resume, 200));
    const first = await exported('$export', { _type: 'Basic' });
    letGo();
    const { lastUpdated } = await slow;
    expect(first.ids).toEqual([]);
    expect(Date.parse(first.manifest.transactionTime)).toBeLessThanOrEqual(lastUpdated);
    const next = await exported('$export', { _type: 'Basic', _since: first.manifest.transactionTime });
    expect(next.ids).toEqual(['Basic/slow']);
    await rooms.store.commit(tenant, [{ op: 'delete', type: 'Basic', id: 'slow' }], ACTOR);
  });
});

describe('fhir-kit-client', () => {
  it('kicks an export off, follows it to its manifest and deletes it', async () => {
    const server = await listen(build({}), { host: '127.0.0.1', port: 0, dev: true });
    try {
      const client = new Client({ baseUrl: `http://127.0.0.1:${server.port}${BASE}` });
      const started = await client.operation({
        name: 'export',
        resourceType: 'Patient',
        method: 'GET',
        input: { _type: 'Encounter' },
        options: { headers: { Prefer: 'respond-async' } },
      } as never);
      const at = Client.httpFor(started).response!.headers.get('content-location')!;
      const manifest = await finished(at);
      expect(manifest.output.map((f) => f.count)).toEqual([1]);
      const gone = await client.request(at, { method: 'DELETE' } as never);
      expect(Client.httpFor(gone).response!.status).toBe(202);
    } finally {
      await server.stop();
    }
  });
});

describe('the CapabilityStatement', () => {
  it('claims the three exports by their canonical addresses', async () => {
    const { body } = await supertest(dev).get(`${BASE}/metadata`).expect(200);
    const of = (type: string) => body.rest[0].resource.find((r: Any) => r.type === type).operation;
    const definition = 'http://hl7.org/fhir/uv/bulkdata/OperationDefinition';
    expect(body.rest[0].operation).toContainEqual({ name: 'export', definition: `${definition}/export` });
    expect(of('Patient')).toContainEqual({ name: 'export', definition: `${definition}/patient-export` });
    expect(of('Group')).toContainEqual({ name: 'export', definition: `${definition}/group-export` });
    expect(body.instantiates).toEqual(['http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data']);
  });
});

describe('a kick-off is refused', () => {
  const CASES: [string, string, Any, number][] = [
    ['an unknown type', '$export', { _type: 'Nothing' }, 400],
    ['a type outside of the level', 'Patient/$export', { _type: 'Organization' }, 400],
    ['an unknown parameter', '$export', { _nonsense: '1' }, 400],
    ['another format', '$export', { _outputFormat: 'text/csv' }, 400],
    ['a date for an instant', '$export', { _since: '2024' }, 400],
    ['what is no search', '$export', { _typeFilter: 'nothing' }, 400],
    ['a search with an unknown parameter', '$export', { _typeFilter: 'Patient?nothing=1' }, 400],
    ['a search that is paged', '$export', { _typeFilter: 'Patient?_count=1' }, 400],
    ['a nested element', '$export', { _elements: 'Patient.name.family' }, 400],
    ['patients of the system', '$export', { patient: 'Patient/p1' }, 400],
    ['patients by GET', 'Patient/$export', { patient: 'Patient/p1' }, 400],
    ['an unknown kind of associated data', '$export', { includeAssociatedData: 'Everything' }, 400],
    ['blocks of another type', '$export', { organizeOutputBy: 'Encounter' }, 400],
    ['partial manifests neither true nor false', '$export', { allowPartialManifests: 'perhaps' }, 400],
    ['a Group that is not there', 'Group/none/$export', {}, 404],
  ];
  it.each(CASES)('for %s', async (_title, path, query, status) => {
    const answer = await kickOff(path, query);
    expect(answer.status).toBe(status);
    expect(answer.body.resourceType).toBe('OperationOutcome');
  });

  it('without respond-async, and for a patient who is not here', async () => {
    await supertest(dev).get(`${BASE}/$export`).expect(400);
    const parameter = [{ name: 'patient', valueReference: { reference: 'Patient/none' } }];
    await supertest(dev)
      .post(`${BASE}/Patient/$export`)
      .set('Prefer', 'respond-async')
      .send({ resourceType: 'Parameters', parameter })
      .expect(400);
  });

  it('but not when it is asked to be lenient: then the error file tells what was left out', async () => {
    const answer = await kickOff('$export', { _type: 'Patient', _nonsense: '1' }).set(
      'Prefer',
      'respond-async, handling=lenient',
    );
    expect(answer.status).toBe(202);
    const manifest = await finished(answer.headers['content-location']!);
    expect(manifest.output.map((f) => f.type)).toEqual(['Patient']);
    expect((await lines(manifest.error[0]!.url))[0]!.resourceType).toBe('OperationOutcome');
  });

  it('takes every name of the format', async () => {
    for (const _outputFormat of ['application/fhir+ndjson', 'application/ndjson', 'ndjson'])
      expect((await exported('$export', { _type: 'Patient', _outputFormat })).ids).toHaveLength(3);
  });
});
