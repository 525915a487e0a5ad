import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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

  it('that is no key is refused', async () => {
    await post('x'.repeat(256), family('Long')).expect(400);
  });
});
