import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import supertest from 'supertest';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { BASE, patient, type Served, serve } from './served.js';

/**
 * Two servers on one database. The second is made of modules loaded anew, with pools, keys and queues of its own, so
 * that the two share nothing but what two processes share.
 */
let served: Served;
let other: { app: unknown; close(): Promise<void> };
beforeAll(async () => {
  served = await serve();
  const { system } = served;
  vi.resetModules();
  const { openTenants } = await import('../../src/tenancy/catalog.js');
  const { openKeyFiles } = await import('../../src/tenancy/key-file.js');
  const { wireRooms } = await import('../../src/system.js');
  const { createApp } = await import('../../src/http/app.js');
  const keys = openKeyFiles(join(system.dir, 'keys'));
  const tenants = await openTenants({ server: system.server, keys, clock: system.clock });
  const baseUrl = 'http://127.0.0.1:8080';
  const rooms = wireRooms({ clock: system.clock, tenants, baseUrl });
  const { express } = createApp(rooms, { baseUrl, version: '0.0.0', dev: true });
  other = {
    app: express,
    async close() {
      await rooms.closeRooms();
      await tenants.close();
    },
  };
});
afterAll(async () => {
  await other.close();
  await served.close();
});

const http = (i: number) => (i % 2 === 0 ? served.http() : supertest(other.app as never));
const withMrn = (value: string) => patient({ identifier: [{ system: 'urn:two', value }] });
const criteria = (value: string) => `identifier=urn:two|${value}`;
const count = async (value: string): Promise<number> =>
  (
    await http(0)
      .get(`${BASE}/Patient?${criteria(value)}&_summary=count`)
      .expect(200)
  ).body.total;
const many = <T>(n: number, work: (i: number) => Promise<T>) =>
  Promise.all(Array.from({ length: n }, (_, i) => work(i)));
const tally = (statuses: readonly (number | string)[]) =>
  statuses.reduce<Record<string, number>>((all, s) => Object.assign(all, { [s]: (all[s] ?? 0) + 1 }), {});

describe('Of two servers on one database', () => {
  it('64 conditional creates at once make one resource', async () => {
    const statuses = await many(64, (i) =>
      http(i)
        .post(`${BASE}/Patient`)
        .set('If-None-Exist', criteria('post'))
        .send(withMrn('post'))
        .then((r) => r.status),
    );
    expect(tally(statuses)).toEqual({ 201: 1, 200: 63 });
    expect(await count('post')).toBe(1);
  });

  it('64 conditional updates at once make one resource', async () => {
    const statuses = await many(64, (i) =>
      http(i)
        .put(`${BASE}/Patient?${criteria('put')}`)
        .send(withMrn('put'))
        .then((r) => r.status),
    );
    expect(tally(statuses)).toEqual({ 201: 1, 200: 63 });
    expect(await count('put')).toBe(1);
  });

  it.each(['transaction', 'batch'])(
    '64 %ss at once, each with three conditional creates in an order of its own, make three resources',
    async (type) => {
      const names = ['a', 'b', 'c'].map((name) => `${type}-${name}`);
      const answers = await many(64, async (i) => {
        const order = names.map((_, k) => names[(k + i) % 3]!);
        const entry = (i % 4 < 2 ? order : order.reverse()).map((name) => ({
          resource: withMrn(name),
          request: { method: 'POST', url: 'Patient', ifNoneExist: criteria(name) },
        }));
        const { body } = await http(i).post(BASE).send({ resourceType: 'Bundle', type, entry }).expect(200);
        return body.entry.map((e: { response: { status: string } }) => e.response.status);
      });
      expect(tally(answers.flat())).toEqual({ '201 Created': 3, '200 OK': 189 });
      for (const name of names) expect(await count(name)).toBe(1);
    },
  );

  it('64 POSTs under one Idempotency-Key make one resource, and all hear of the same one', async () => {
    const key = randomBytes(16).toString('hex');
    const answers = await many(64, (i) =>
      http(i).post(`${BASE}/Patient`).set('Idempotency-Key', key).send(withMrn('key')).expect(201),
    );
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(await count('key')).toBe(1);
  });

  it('what one writes, the other finds and pages at once', async () => {
    for (let i = 0; i < 6; i++) {
      const { body } = await http(i).post(`${BASE}/Patient`).send(withMrn('seen')).expect(201);
      await http(i + 1)
        .get(`${BASE}/Patient/${body.id}`)
        .expect(200);
      expect(await count('seen')).toBe(i + 1);
    }
    const seen: string[] = [];
    let next: string | undefined = `${BASE}/Patient?${criteria('seen')}&_count=2`;
    for (let i = 0; next !== undefined; i++) {
      const body: { entry: { resource: { id: string } }[]; link: { relation: string; url: string }[] } = (
        await http(i).get(next).expect(200)
      ).body;
      seen.push(...body.entry.map(({ resource }) => resource.id));
      const link = body.link.find(({ relation }) => relation === 'next');
      next = link?.url.slice(link.url.indexOf(BASE));
    }
    expect(new Set(seen).size).toBe(6);
    expect(seen).toHaveLength(6);
  });
});
