import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import supertest from 'supertest';
import { beforeAll, describe, expect, it } from 'vitest';
import { POLLS_AHEAD } from '../../src/http/polls.js';
import { LEASE_MS } from '../../src/jobs/job.js';
import { runBulkExport } from '../../src/tasks/bulk-export.js';
import { BULK_KEPT_MS } from '../../src/tasks/bulk-export-job.js';
import { issueToken } from '../../src/tenancy/tokens.js';
import {
  BASE,
  clock,
  dev,
  exported,
  finished,
  kickOff,
  lines,
  local,
  rooms,
  secret,
  secured,
  skip,
  system,
  worker,
} from './bulk-lake.js';

/** Who gets the files of Bulk Data exports, how long they stay, and what befalls exports and those who wait for them. */

describe('who may see an export', () => {
  const token = async (name: string, scope: string, subject: string) => {
    const { id } = (await system.tenant(name)).record;
    return issueToken(secret, clock, { tenant: { id, name }, scope, subject });
  };
  const as = (bearer: string, url: string, method: 'get' | 'delete' = 'get') =>
    supertest(secured)[method](url).set('Authorization', `Bearer ${bearer}`).set('Prefer', 'respond-async');

  it('is who asked for it, and holds only what the token covers', async () => {
    const mine = await token('lake', 'system/*.rs', 'mine');
    const theirs = await token('lake', 'system/*.rs', 'theirs');
    const narrow = await token('lake', 'system/Patient.rs', 'mine');
    const at = (await as(mine, `${BASE}/$export?_type=Encounter`).expect(202)).headers['content-location']!;
    const manifest = await finished(at, secured, mine);
    expect(manifest.requiresAccessToken).toBe(true);
    const file = local(manifest.output[0]!.url);
    await as(mine, file).expect(200);
    await as(theirs, local(at)).expect(404);
    await as(theirs, file).expect(404);
    await as(theirs, local(at), 'delete').expect(404);
    await as(narrow, file).expect(403);
    await supertest(secured).get(file).expect(401);
    const elsewhere = await token('other', 'system/*.rs', 'mine');
    await as(elsewhere, file).expect(403);
    await as(elsewhere, file.replace('/lake/', '/other/')).expect(404);
    await as(narrow, `${BASE}/$export?_type=Encounter`).expect(403);
    const small = (await as(narrow, `${BASE}/$export`).expect(202)).headers['content-location']!;
    expect((await finished(small, secured, narrow)).output.map((f) => f.type)).toEqual(['Patient']);
    // A file's address leads to files of the export alone.
    const folder = file.slice(0, file.lastIndexOf('/'));
    for (const name of [
      '..',
      '.',
      'Encounter.ndjson%2f..',
      '..%2f..%2ftoken.secret',
      '.Encounter.ndjson.part',
      'x',
    ])
      expect((await as(mine, `${folder}/${name}`)).status, name).toBe(404);
  });
});

describe('the files', () => {
  it('are sealed where they lie, and come compressed to who takes that', async () => {
    const { at, manifest } = await exported('$export', { _type: 'Patient' });
    const id = at.split('/').at(-1)!;
    const home = join(system.dir, 'exports', (await system.tenant('lake')).record.id, id);
    const [attempt] = readdirSync(home);
    const path = join(home, attempt!, 'Patient.ndjson');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path).includes('birthDate')).toBe(false);
    const zipped = await supertest(dev)
      .get(local(manifest.output[0]!.url))
      .set('Accept-Encoding', 'gzip')
      .expect(200);
    expect(zipped.headers['content-encoding']).toBe('gzip');
    await supertest(dev).head(local(manifest.output[0]!.url)).expect(200);
  });

  it('go with the export when it is deleted', async () => {
    const { at, manifest } = await exported('$export', { _type: 'Patient' });
    const home = join(system.dir, 'exports', (await system.tenant('lake')).record.id, at.split('/').at(-1)!);
    await supertest(dev).delete(local(at)).expect(202);
    expect((await supertest(dev).get(local(at)).expect(404)).body.resourceType).toBe('OperationOutcome');
    await supertest(dev).get(local(manifest.output[0]!.url)).expect(404);
    await supertest(dev).delete(local(at)).expect(404);
    expect(existsSync(home)).toBe(false);
  });

  it('go after a day', async () => {
    const { at, manifest } = await exported('$export', { _type: 'Patient' });
    const home = join(system.dir, 'exports', (await system.tenant('lake')).record.id, at.split('/').at(-1)!);
    const answer = await supertest(dev).get(local(at)).expect(200);
    expect(Date.parse(answer.headers.expires!)).toBeGreaterThan(Date.now() + BULK_KEPT_MS - 60_000);
    skip(BULK_KEPT_MS + 1_000);
    try {
      await supertest(dev).get(local(manifest.output[0]!.url)).expect(404);
      await supertest(dev).get(local(at)).expect(404);
      expect(await rooms.exports!.expire()).toBeGreaterThan(0);
      expect(existsSync(home)).toBe(false);
    } finally {
      skip(0);
    }
  });
});

describe('an export that waits', () => {
  beforeAll(() => worker.stop());

  it('is made anew when its worker died, and what is half-written is never seen', {
    timeout: 20_000,
  }, async () => {
    const tenant = await system.tenant('lake');
    const at = (await kickOff('$export', { _type: 'Patient' })).headers['content-location']!;
    const id = at.split('/').at(-1)!;
    const dead = await rooms.jobs.claim(tenant, id);
    await supertest(dev).get(`${BASE}/$export-file/${id}/Patient.ndjson`).expect(404);
    skip(LEASE_MS + 1_000);
    try {
      expect(await rooms.jobs.next(['export'])).toEqual({ id, tenant: 'lake' });
      const job = await rooms.jobs.claim(tenant, id);
      await runBulkExport(rooms.exports!.deps, tenant, job);
      // The first worker comes back: it has lost the job, and spoils nothing.
      await expect(runBulkExport(rooms.exports!.deps, tenant, dead)).rejects.toThrow();
    } finally {
      skip(0);
    }
    const manifest = await finished(at);
    expect(await lines(manifest.output[0]!.url)).toHaveLength(3);
  });

  it('goes on with another worker when its own is stopped', async () => {
    const tenant = await system.tenant('lake');
    const at = (await kickOff('$export', { _type: 'Patient' })).headers['content-location']!;
    const job = await rooms.jobs.claim(tenant, at.split('/').at(-1)!);
    await runBulkExport(rooms.exports!.deps, tenant, job, AbortSignal.timeout(100));
    const after = await rooms.jobs.get(tenant, job.id);
    expect(after.state).toBe('queued');
    await supertest(dev).delete(local(at)).expect(202);
  });

  it('is one of a few for each client', async () => {
    const waiting: string[] = [];
    for (let i = 0; i < 4; i++)
      waiting.push((await kickOff('$export').expect(202)).headers['content-location']!);
    const refused = await kickOff('$export').expect(429);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    for (const at of waiting) {
      await supertest(dev).get(local(at)).expect(202);
      await supertest(dev).delete(local(at)).expect(202);
    }
    await kickOff('$export').expect(202);
  });
});

describe('whoever waits for an export', () => {
  it('may ask every second, and is told to wait longer where it asks without end', async () => {
    const at = local(
      (await kickOff('$export', { _type: 'Patient' }).expect(202)).headers['content-location']!,
    );
    // At the pace of a client that waits a second nothing is refused; all at once it is soon.
    const answers: supertest.Response[] = [];
    while (answers.length < 2 * POLLS_AHEAD && !answers.some(({ status }) => status === 429))
      answers.push(...(await Promise.all(Array.from({ length: 30 }, () => supertest(dev).get(at)))));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200 || status === 202).length).toBeGreaterThanOrEqual(
      POLLS_AHEAD,
    );
    const refused = answers.find(({ status }) => status === 429);
    expect(Number(refused?.headers['retry-after'])).toBeGreaterThan(1);
    expect(refused?.body).toMatchObject({ resourceType: 'OperationOutcome', issue: [{ code: 'throttled' }] });
    // Another export of the same client is asked for as before, and this one can still be deleted.
    const other = (await kickOff('$export', { _type: 'Patient' }).expect(202)).headers['content-location']!;
    expect([200, 202]).toContain((await supertest(dev).get(local(other))).status);
    await supertest(dev).delete(at).expect(202);
  });

  it('is told how far it is in words that no client takes for a percentage', async () => {
    const at = (await kickOff('$export', { _type: 'Patient' }).expect(202)).headers['content-location']!;
    const id = at.split('/').at(-1)!;
    await rooms.jobs.claim(await system.tenant('lake'), id);
    const progress = (await supertest(dev).get(local(at)).expect(202)).headers['x-progress'];
    expect(progress).toMatch(/resources written$/);
    expect(Number.parseInt(progress!, 10)).toBeNaN();
  });
});
