import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { to as copyTo } from 'pg-copy-streams';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readConfig } from '../../src/config.js';
import { authorizationOf, openSystem, type Serving, type System } from '../../src/system.js';
import { asAdmin } from '../../src/tenancy/database.js';
import type { ServerAddress } from '../../src/tenancy/postgres/embedded.js';
import type { Worker } from '../../src/worker/worker.js';
import { testServer } from '../support/system.js';

/** S-52: words that stand in records, notes, uploads and exports are nowhere on the disk (and the log says none). */
const MARK = `q${randomBytes(8).toString('hex')}`;
/** Name and identifier end in the same mark, so that one search finds both. */
const CANARY = `Quixkeel${MARK}`;
const IDENTIFIER = `MRN${MARK}`;
const LOG: string[] = [];
let system: System;
let serving: Serving;
let worker: Worker;
let server: ServerAddress;
let dataFolder: string;
let drop: () => Promise<void>;
let token: string;

beforeAll(async () => {
  const embedded = await testServer();
  server = embedded.address;
  const database = `control_${randomBytes(6).toString('hex')}`;
  await asAdmin(server, (admin) => admin.query(`create database ${database} template template0`));
  dataFolder = await asAdmin(server, async (admin) => {
    const { rows } = await admin.query<{ data_directory: string }>('show data_directory');
    return rows[0]!.data_directory;
  });
  const { host, port, user, password } = server;
  const { inject } = await import('vitest');
  const config = readConfig(
    { dataDir: join(inject('testDir'), database), port: 0 },
    { DATABASE_URL: `postgres://${user}:${encodeURIComponent(password ?? '')}@${host}:${port}/${database}` },
  );
  system = await openSystem(config);
  worker = await system.work();
  serving = await system.serve({
    version: '0.0.0',
    dev: false,
    wake: (tenant) => worker.wake(tenant),
    log: (line) => LOG.push(JSON.stringify(line)),
  });
  drop = async () => {
    await asAdmin(server, (admin) => admin.query(`drop database ${database} (force)`));
    await embedded.release();
  };
  const record = await system.tenants.create('lake');
  token = authorizationOf(config, system).issue({ tenant: record, scope: 'system/*.cruds' });
});
afterAll(async () => {
  await serving?.stop();
  await worker?.stop();
  await system?.tenants.removeAll();
  await system?.close();
  await drop?.();
});

async function ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const answer = await fetch(new URL(path, `http://127.0.0.1:${serving.port}/fhir/lake/`), {
    method,
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/fhir+json', ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

async function ended(kick: { headers: Headers }): Promise<{ status: number; text: string }> {
  const at = kick.headers.get('content-location')!;
  for (;;) {
    const status = await ask('GET', at);
    if (status.status !== 202) return status;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const CHUNK = 8 * 1024 * 1024;
const OVERLAP = 256;

/** Files below the folder in which one of the words stands, in UTF-8, UTF-16 or as base64 of it. */
function filesWith(folder: string, words: readonly string[]): { looked: number; found: string[] } {
  const needles = words.flatMap((word) => [
    Buffer.from(word),
    ...[0, 1, 2].map((n) => Buffer.from(Buffer.from(word.slice(n)).toString('base64').slice(0, 16))),
  ]);
  const found: string[] = [];
  let looked = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    let fd: number;
    try {
      fd = openSync(path, 'r');
    } catch {
      continue; // gone meanwhile
    }
    looked++;
    const chunk = Buffer.alloc(CHUNK + OVERLAP);
    let kept = 0;
    for (let n = readSync(fd, chunk, 0, CHUNK, null); n > 0; n = readSync(fd, chunk, kept, CHUNK, null)) {
      const part = chunk.subarray(0, kept + n);
      if (needles.some((needle) => part.includes(needle))) {
        found.push(path);
        break;
      }
      kept = Math.min(OVERLAP, part.length);
      part.copy(chunk, 0, part.length - kept);
    }
    closeSync(fd);
  }
  return { looked, found };
}

it('nothing on the disk, in a dump or in the log holds what a record says; a shredded tenant opens nowhere', async () => {
  const patient = {
    resourceType: 'Patient',
    id: 'a',
    name: [{ family: CANARY }],
    identifier: [{ system: 'urn:mrn', value: IDENTIFIER }],
  };
  expect((await ask('PUT', 'Patient/a', patient)).status).toBe(201);
  expect((await ask('PUT', 'Patient/a', { ...patient, gender: 'female' })).status).toBe(200);
  const note = Buffer.from(`${CANARY} has type 2 diabetes. Takes metformin 500 mg.`).toString('base64');
  await ask('POST', 'DocumentReference', {
    resourceType: 'DocumentReference',
    status: 'current',
    subject: { reference: 'Patient/a' },
    content: [{ attachment: { contentType: 'text/plain', data: note } }],
  });
  // Errors, searches and uploads leave their traces too.
  await ask('GET', `Patient?name=${CANARY}&identifier=urn:mrn|${IDENTIFIER}`);
  await ask('GET', `Patient?birthdate=${CANARY}`);
  await ask('POST', 'Patient', { ...patient, id: undefined, birthDate: CANARY });
  await ask('PUT', 'Patient/b', `{"resourceType":"Patient","name":[{"family":"${CANARY}`);
  const lines = `${JSON.stringify({ ...patient, id: 'up' })}\n{"resourceType":"Patient","birthDate":"${CANARY}"}\nbroken ${CANARY}\n`;
  const upload = await ask('POST', '$import', lines, {
    Prefer: 'respond-async',
    'Content-Type': 'application/fhir+ndjson',
  });
  expect((await ended(upload)).status).toBe(200);
  const kick = await ask('GET', '$export', undefined, { Prefer: 'respond-async' });
  const manifest = JSON.parse((await ended(kick)).text) as { output: { url: string }[] };
  expect(
    (await ask('GET', manifest.output.find((o) => o.url.includes('Patient'))?.url ?? manifest.output[0]!.url))
      .status,
  ).toBe(200);

  const tenant = await system.tenants.open('lake');
  const words = [MARK];
  const { db } = (await tenant.pool.query<{ db: string }>('select current_database() as db')).rows[0]!;
  const dump = async (database: string) =>
    asAdmin({ ...server, database }, async (admin) => {
      const { rows } = await admin.query<{ name: string }>(
        "select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('information_schema', 'pg_catalog')",
      );
      let text = '';
      for (const { name } of rows)
        for await (const chunk of admin.query(copyTo(`copy ${name} to stdout (format binary)`)))
          text += (chunk as Buffer).toString('latin1');
      return text;
    });
  for (const database of [db, server.database, system.config.databaseUrl!.split('/').at(-1)!]) {
    const text = await dump(database);
    for (const word of words) expect(text.includes(word), database).toBe(false);
  }
  // A word that the search must find, or it would not find the others.
  const probe = `p${randomBytes(8).toString('hex')}`;
  await asAdmin(server, async (admin) => {
    await admin.query(`create table probe_${probe} as select '${probe}'::text as word`);
    await admin.query('checkpoint');
  });
  // Tables, indexes, statistics, WAL and temporary files of the server; uploads, exports and anchors of ours.
  const database = filesWith(dataFolder, words);
  expect(database.found).toEqual([]);
  expect(filesWith(join(dataFolder, 'pg_wal'), [probe]).found.length).toBeGreaterThan(0);
  await asAdmin(server, (admin) => admin.query(`drop table probe_${probe}`));
  expect(database.looked).toBeGreaterThan(500);
  const ours = filesWith(system.config.dataDir, words);
  expect(ours.found).toEqual([]);
  expect(ours.looked).toBeGreaterThan(2);
  for (const word of words) expect(LOG.filter((line) => line.includes(word))).toEqual([]);
  expect(LOG.length).toBeGreaterThan(5);

  // A backup of the sealed rows is taken, the tenant shredded, the rows restored: they open no more.
  const { rows: sealed } = await tenant.pool.query<{ sealed: Buffer }>('select sealed from segment');
  expect(sealed.length).toBeGreaterThan(0);
  await system.tenants.shred('lake');
  expect((await ask('GET', 'Patient/a')).status).toBeGreaterThanOrEqual(403);
  const again = await system.tenants.open('lake').then(
    () => 'opened',
    () => 'refused',
  );
  expect(again).toBe('refused');
  for (const { sealed: bytes } of sealed) {
    for (const word of words) expect(bytes.includes(word)).toBe(false);
    expect(() => gunzipSync(bytes)).toThrow();
  }
  expect(filesWith(system.config.dataDir, words).found).toEqual([]);
}, 240_000);
