import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../../src/http/app.js';
import { type Rooms, wireRooms } from '../../src/system.js';
import { startExportWorker } from '../../src/worker/exports.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** `$viewdefinition-export` over HTTP, with a worker beside. */
let system: TestSystem;
let rooms: Rooms;
let worker: { stop(): Promise<void> };
let http: () => ReturnType<typeof supertest>;
const BASE = '/fhir/lake';
const BASE_URL = 'http://127.0.0.1:8080';

beforeAll(async () => {
  system = await testSystem({ tenants: ['lake'] });
  rooms = wireRooms({ clock: system.clock, tenants: system.tenants, baseUrl: BASE_URL, dataDir: system.dir });
  const tenant = await system.tenant('lake');
  const records = ['p1', 'p2'].flatMap((id) => [
    { resourceType: 'Patient', id, gender: 'female' },
    {
      resourceType: 'Observation',
      id: `o-${id}`,
      status: 'final',
      code: { text: 'Weight' },
      subject: { reference: `Patient/${id}` },
      valueQuantity: { value: 61.5, unit: 'kg' },
    },
  ]);
  await rooms.store.transact(tenant, { id: 'test', kind: 'job' }, (tx) =>
    tx.write(records.map((r) => ({ op: 'create' as const, type: r.resourceType, id: r.id, resource: r }))),
  );
  const app = createApp(rooms, { baseUrl: BASE_URL, version: '0', dev: true });
  http = () => supertest(app.express);
  worker = startExportWorker({ tenants: system.tenants, exports: rooms.exports! });
});
afterAll(async () => {
  await worker.stop();
  await rooms.closeRooms();
  await system.close();
});

interface Parameter {
  name: string;
  valueString?: string;
  valueUri?: string;
  valueCode?: string;
  part?: Parameter[];
}

async function exported(...parameter: object[]): Promise<{ manifest: Parameter[]; status: string }> {
  const begun = await http()
    .post(`${BASE}/$viewdefinition-export`)
    .set('Prefer', 'respond-async')
    .send({ resourceType: 'Parameters', parameter });
  expect(begun.status, JSON.stringify(begun.body)).toBe(202);
  const status = new URL(begun.headers['content-location']!).pathname;
  for (let i = 0; i < 100; i++) {
    const answer = await http().get(status);
    if (answer.status === 200) return { manifest: answer.body.parameter, status };
    expect(answer.status).toBe(202);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the export does not end');
}

const view = (name: string) => ({
  name: 'view',
  part: [{ name: 'viewReference', valueReference: { reference: `ViewDefinition/${name}` } }],
});
const outputs = (manifest: Parameter[]) =>
  manifest
    .filter((p) => p.name === 'output')
    .map((p) => Object.fromEntries((p.part ?? []).map((q) => [q.name, q.valueString ?? q.valueUri ?? ''])));

describe('$viewdefinition-export', () => {
  it('gives a table for each view, named in the manifest', async () => {
    const { manifest, status } = await exported(
      view('patient'),
      view('observation'),
      { name: '_format', valueCode: 'csv' },
      { name: 'clientTrackingId', valueString: 'monthly' },
    );
    expect(manifest.find((p) => p.name === 'status')?.valueCode).toBe('completed');
    expect(manifest.find((p) => p.name === 'clientTrackingId')?.valueString).toBe('monthly');
    const files = outputs(manifest);
    expect(files.map((f) => f.name)).toEqual(['observation', 'patient']);
    const table = await http().get(new URL(files[0]!.location!).pathname);
    expect(table.headers['content-type']).toContain('text/csv');
    expect(table.text.split('\r\n')).toHaveLength(4);
    expect(table.text).toContain('o-p1,p1,');
    expect((await http().delete(status)).status).toBe(202);
    expect((await http().get(status)).status).toBe(404);
  });

  it('writes Parquet, of the patients named, sealed on the disk', async () => {
    const { manifest } = await exported(
      view('observation'),
      { name: '_format', valueCode: 'parquet' },
      { name: 'patient', valueReference: { reference: 'Patient/p2' } },
    );
    const [file] = outputs(manifest);
    const { body } = await http()
      .get(new URL(file!.location!).pathname)
      .buffer(true)
      .parse((res, done) => {
        const chunks: Buffer[] = [];
        res.on('data', (c: Buffer) => chunks.push(c));
        res.on('end', () => done(null, Buffer.concat(chunks)));
      });
    const bytes = (body as Buffer).toString('latin1');
    expect(bytes.slice(0, 4) + bytes.slice(-4)).toBe('PAR1PAR1');
    expect(bytes).toContain('o-p2');
    expect(bytes).not.toContain('o-p1');
    const onDisk = readdirSync(join(system.dir, 'exports'), { recursive: true, encoding: 'utf8' })
      .map((name) => join(system.dir, 'exports', name))
      .filter((path) => statSync(path).isFile())
      .map((path) => readFileSync(path).toString('latin1'));
    expect(onDisk.length).toBeGreaterThan(0);
    for (const text of onDisk) expect(text).not.toMatch(/PAR1|o-p2/);
  });

  it.each<[string, object[]]>([
    ['no view', []],
    ['a view that is not here', [view('none')]],
    ['an unknown parameter', [view('patient'), { name: 'source', valueString: 's3://elsewhere' }]],
  ])('refuses %s', async (_what, parameter) => {
    const { status } = await http()
      .post(`${BASE}/$viewdefinition-export`)
      .send({ resourceType: 'Parameters', parameter });
    expect([400, 404]).toContain(status);
  });
});
