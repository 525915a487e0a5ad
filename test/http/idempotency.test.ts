import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Fault } from '../../src/core/fault.js';
import { BASE, patient, type Served, serve } from './served.js';

/** `Idempotency-Key` on POST: done once, answered as often as asked. */
let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.close());

const http = () => served.http();
const post = (key: string, body: unknown, path = `${BASE}/Patient`) =>
  http()
    .post(path)
    .set('Idempotency-Key', key)
    .send(body as object);
const family = (name: string) => patient({ name: [{ family: name }] });
const total = async (name: string): Promise<number> =>
  (await http().get(`${BASE}/Patient?family=${name}&_summary=count`).expect(200)).body.total;
const transaction = (name: string, ...more: unknown[]) => ({
  resourceType: 'Bundle',
  type: 'transaction',
  entry: [{ resource: family(name), request: { method: 'POST', url: 'Patient' } }, ...more],
});

describe('a POST under a key', () => {
  it('is done once and answered again as the first time', async () => {
    const first = await post('k-1', family('Once')).expect(201);
    const second = await post('k-1', family('Once')).expect(201);
    expect(second.body).toEqual(first.body);
    expect(second.headers.etag).toBe(first.headers.etag);
    expect(second.headers['idempotency-replayed']).toBe('true');
    expect(await total('Once')).toBe(1);
  });

  it('is done once when 16 come at once', async () => {
    const responses = await Promise.all(Array.from({ length: 16 }, () => post('k-16', family('Sixteen'))));
    expect(new Set(responses.map((r) => r.status))).toEqual(new Set([201]));
    expect(new Set(responses.map((r) => r.body.id)).size).toBe(1);
    expect(await total('Sixteen')).toBe(1);
  });

  it('with another body is refused with 422', async () => {
    await post('k-2', family('Two')).expect(201);
    await post('k-2', family('Zwei')).expect(422);
  });

  it('that failed may be tried again', async () => {
    await post('k-3', patient({ birthDate: 'soon' })).expect(400);
    await post('k-3', family('Three')).expect(201);
  });

  it('keeps conditional creates conditional', async () => {
    const mrn = patient({ identifier: [{ system: 'ik', value: '1' }] });
    await post('k-4', mrn).set('If-None-Exist', 'identifier=ik|1').expect(201);
    await post('k-5', mrn).set('If-None-Exist', 'identifier=ik|1').expect(200);
  });

  it.each([
    ['a transaction', transaction('Bundled')],
    [
      'a transaction with a search',
      transaction('Searched', { request: { method: 'GET', url: 'Patient?family=Searched' } }),
    ],
    ['a batch', { ...transaction('Batched'), type: 'batch' }],
  ])('may be %s', async (what, bundle) => {
    const first = await post(`b-${what.length}`, bundle, BASE).expect(200);
    const second = await post(`b-${what.length}`, bundle, BASE).expect(200);
    expect(second.body).toEqual(first.body);
    const name = (bundle.entry[0] as { resource: { name: { family: string }[] } }).resource.name[0]!.family;
    expect(await total(name)).toBe(1);
    if (bundle.entry.length > 1) expect(first.body.entry[1].resource.entry).toHaveLength(1);
  });

  it('of a batch keeps what its entries answered, failures and reads among them', async () => {
    const entry = (method: string, url: string, resource?: object) => ({
      ...(resource ? { resource } : {}),
      request: { method, url },
    });
    const bundle = {
      resourceType: 'Bundle',
      type: 'batch',
      entry: [
        entry('POST', 'Patient', family('Mixed')),
        entry('PUT', 'Patient/other', { ...family('Mixed'), id: 'another' }),
        entry('GET', 'Patient?family=Mixed'),
        entry('DELETE', 'Patient/none'),
        entry('PATCH', 'Patient/none', { resourceType: 'Parameters', parameter: [] }),
        entry('POST', 'Patient', family('Mixed')),
      ],
    };
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => post('batch', bundle, BASE).expect(200)),
    );
    // Links of what was read name the address that each caller used; what was written is the same to the letter.
    const responses = answers.map(({ body }) => body.entry.map((e: { response: unknown }) => e.response));
    for (const one of responses) expect(one).toEqual(responses[0]);
    const { entry: entries } = answers[0]!.body;
    expect(entries.map((e: { response: { status: string } }) => e.response.status.slice(0, 3))).toEqual([
      '201',
      '400',
      '200',
      '204',
      '404',
      '201',
    ]);
    expect(entries[2].resource.entry).toHaveLength(2);
    expect(await total('Mixed')).toBe(2);
  });

  it('reads again what could not be read, and writes nothing twice', async () => {
    const bundle = transaction('Again', { request: { method: 'GET', url: 'Patient?family=Again' } });
    const search = vi.spyOn(served.rooms.search, 'search');
    // The first search is the trial before anything is written, the second the one that answers.
    search.mockImplementationOnce(async () => ({ entries: [], self: '', warnings: [] }));
    search.mockRejectedValueOnce(new Fault('unavailable', 'The database cannot be reached.'));
    const first = await post('again', bundle, BASE).expect(200);
    expect(first.body.entry[1].response.status).toMatch(/^503/);
    search.mockRestore();
    const second = await post('again', bundle, BASE).expect(200);
    expect(second.body.entry[0]).toEqual(first.body.entry[0]);
    expect(second.body.entry[1].resource.entry).toHaveLength(1);
    expect(await total('Again')).toBe(1);
  });

  it('stores a Bundle that holds reads as any other resource, once', async () => {
    const bundle = {
      resourceType: 'Bundle',
      type: 'batch',
      entry: [{ request: { method: 'GET', url: 'Patient' } }],
    };
    const first = await post('bundle', bundle, `${BASE}/Bundle`).expect(201);
    expect((await post('bundle', bundle, `${BASE}/Bundle`).expect(201)).body.id).toBe(first.body.id);
    expect((await http().get(`${BASE}/Bundle?_summary=count`)).body.total).toBe(1);
  });

  it('that is no key is refused', async () => {
    await post('x'.repeat(256), family('Long')).expect(400);
  });
});
