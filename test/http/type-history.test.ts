import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASE, patient, type Served, serve } from './served.js';

/** History of a type and of the system (R4 http.html#history). */
let served: Served;
let middle: string;
beforeAll(async () => {
  served = await serve();
  for (const id of ['a', 'b', 'c'])
    await served.http().put(`${BASE}/Patient/${id}`).send(patient({ id })).expect(201);
  await served
    .http()
    .put(`${BASE}/Basic/x`)
    .send({ resourceType: 'Basic', id: 'x', code: { text: 'x' } })
    .expect(201);
  await new Promise((resolve) => setTimeout(resolve, 5));
  middle = new Date(served.rooms.clock.now()).toISOString();
  await new Promise((resolve) => setTimeout(resolve, 5));
  await served
    .http()
    .put(`${BASE}/Patient/b`)
    .send(patient({ id: 'b', gender: 'female' }))
    .expect(200);
  await served.http().delete(`${BASE}/Patient/a`).expect(204);
});
afterAll(() => served.close());

const http = () => served.http();
interface HistoryBody {
  entry?: {
    fullUrl: string;
    resource?: { id: string };
    request: { method: string; url: string };
    response: { etag: string };
  }[];
  link: { relation: string; url: string }[];
}
const seen = (body: HistoryBody) =>
  (body.entry ?? []).map(
    (e) => `${e.request.method} ${e.fullUrl.split('/').slice(-2).join('/')} ${e.response.etag}`,
  );
const all = [
  'DELETE Patient/a W/"2"',
  'PUT Patient/b W/"2"',
  'PUT Basic/x W/"1"',
  'PUT Patient/c W/"1"',
  'PUT Patient/b W/"1"',
  'PUT Patient/a W/"1"',
];

async function walk(start: string): Promise<string[]> {
  const found: string[] = [];
  let next: string | undefined = start;
  while (next) {
    const body: HistoryBody = (await http().get(next).expect(200)).body;
    found.push(...seen(body));
    const link = body.link.find((l) => l.relation === 'next')?.url;
    next = link && new URL(link).pathname + new URL(link).search;
  }
  return found;
}

describe('history', () => {
  it('of the system has every version of every resource, newest first, deletions with their id', async () => {
    const found = await walk(`${BASE}/_history`);
    expect(found.slice(0, 2)).toEqual(all.slice(0, 2));
    expect(new Set(found)).toEqual(new Set(all));
  });

  it('of a type has that type alone', async () => {
    expect(new Set(await walk(`${BASE}/Patient/_history`))).toEqual(
      new Set(all.filter((v) => v.includes('Patient'))),
    );
    expect(await walk(`${BASE}/Observation/_history`)).toEqual([]);
  });

  it.each([1, 2, 4, 100])('in pages of %i has each version once', async (count) => {
    const found = await walk(`${BASE}/_history?_count=${count}`);
    expect(found).toHaveLength(all.length);
    expect(new Set(found)).toEqual(new Set(all));
  });

  it('since a time has what was made from then on', async () => {
    expect(await walk(`${BASE}/_history?_since=${middle}`)).toEqual(all.slice(0, 2));
  });

  it('at a time has what was current then', async () => {
    const found = await walk(`${BASE}/Patient/_history?_at=${middle}`);
    expect(new Set(found)).toEqual(
      new Set(['PUT Patient/a W/"1"', 'PUT Patient/b W/"1"', 'PUT Patient/c W/"1"']),
    );
  });

  it('of several types is narrowed by _type', async () => {
    expect(await walk(`${BASE}/_history?_type=Basic`)).toEqual(['PUT Basic/x W/"1"']);
    await http().get(`${BASE}/_history?_type=Nothing`).expect(400);
  });

  it('refuses a page link that is not its own', async () => {
    const { body } = await http().get(`${BASE}/_history?_count=1`).expect(200);
    const link: string = body.link.find((l: { relation: string }) => l.relation === 'next').url;
    const cursor = new URL(link).searchParams.get('_cursor');
    await http().get(`${BASE}/Patient/_history?_cursor=${cursor}`).expect(400);
    await http().get(`${BASE}/_history?_cursor=AAAA${cursor}`).expect(400);
  });
});
