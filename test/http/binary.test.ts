import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASE, type Served, serve } from './served.js';

/** R4 http.html#binary: a Binary is its content, to those who do not ask for FHIR. */
let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.close());

const http = () => served.http();
const bytes = Buffer.from([0, 1, 2, 250, 255, 13, 10]);
const asIs = (response: NodeJS.ReadableStream, done: (error: Error | null, body: Buffer) => void) => {
  const parts: Buffer[] = [];
  response.on('data', (part: Buffer) => parts.push(part));
  response.on('end', () => done(null, Buffer.concat(parts)));
};
const fetched = (path: string, accept?: string) => {
  const request = http()
    .get(`${BASE}/${path}`)
    .buffer(true)
    .parse(asIs as never);
  return accept === undefined ? request : request.set('Accept', accept);
};

describe('content that is sent', () => {
  it('is a Binary of its type, under an id of the server’s or the client’s', async () => {
    const made = await http()
      .post(`${BASE}/Binary`)
      .set('Content-Type', 'application/pdf')
      .send(bytes)
      .expect(201);
    expect(made.body).toMatchObject({ contentType: 'application/pdf', data: bytes.toString('base64') });
    expect(made.headers.location).toContain(`/Binary/${made.body.id}/_history/1`);
    const put = await http()
      .put(`${BASE}/Binary/scan`)
      .set({ 'Content-Type': 'image/png', 'X-Security-Context': 'Patient/one' })
      .send(bytes)
      .expect(201);
    expect(put.body).toMatchObject({ id: 'scan', securityContext: { reference: 'Patient/one' } });
    await http()
      .put(`${BASE}/Binary/scan`)
      .set('Content-Type', 'image/png')
      .send(bytes.subarray(1))
      .expect(200);
  });

  it('may be packed, and is kept unpacked', async () => {
    const text = 'a line of it\n'.repeat(500);
    const { body } = await http()
      .post(`${BASE}/Binary`)
      .set({ 'Content-Type': 'text/plain; charset=utf-8', 'Content-Encoding': 'gzip' })
      .serialize((x) => x)
      .send(gzipSync(text) as never)
      .expect(201);
    expect(Buffer.from(body.data, 'base64').toString()).toBe(text);
    expect(body.contentType).toBe('text/plain; charset=utf-8');
  });

  it('comes once under an Idempotency-Key', async () => {
    const send = (content: Buffer) =>
      http()
        .post(`${BASE}/Binary`)
        .set({ 'Content-Type': 'application/pdf', 'Idempotency-Key': 'one-scan' })
        .send(content);
    const first = await send(bytes).expect(201);
    expect((await send(bytes).expect(201)).body.id).toBe(first.body.id);
    await send(bytes.subarray(2)).expect(422);
  });

  it('as FHIR JSON is the resource, with its checks', async () => {
    const resource = { resourceType: 'Binary', contentType: 'text/plain', data: 'eA==' };
    await http()
      .post(`${BASE}/Binary`)
      .set('Content-Type', 'application/fhir+json')
      .send(resource)
      .expect(201);
    const wrong = { ...resource, data: '!!!' };
    await http().post(`${BASE}/Binary`).set('Content-Type', 'application/fhir+json').send(wrong).expect(400);
  });

  it.each([
    ['a type that is none', { 'Content-Type': 'nothing' }],
    ['a type with more behind it', { 'Content-Type': 'text/plain; x="\u00e4"' }],
  ])('is refused with %s', async (_, headers) => {
    const { body } = await http().post(`${BASE}/Binary`).set(headers).send(bytes).expect(400);
    expect(body.issue[0].expression).toEqual(['Content-Type']);
  });

  it('over the limit is refused', async () => {
    const { body } = await http()
      .post(`${BASE}/Binary`)
      .set('Content-Type', 'application/pdf')
      .send(Buffer.alloc(12 * 1024 * 1024))
      .expect(413);
    expect(body.issue[0].code).toBe('too-long');
  });

  it('is for a Binary alone', () =>
    http().post(`${BASE}/Patient`).set('Content-Type', 'application/pdf').send(bytes).expect(415));
});

describe('a read', () => {
  beforeAll(async () => {
    for (const [id, type] of [
      ['pdf', 'application/pdf'],
      ['page', 'text/html'],
    ] as const)
      await http().put(`${BASE}/Binary/${id}`).set('Content-Type', type).send(bytes).expect(201);
  });

  it.each([
    undefined,
    '*/*',
    'application/pdf',
    'image/png',
    'text/html,*/*;q=0.8',
    'application/fhir+json;q=0, */*',
  ])('with Accept %s gives the content as its own type', async (accept) => {
    for (const path of ['Binary/pdf', 'Binary/pdf/_history/1']) {
      const { headers, body } = await fetched(path, accept).expect(200);
      expect(headers).toMatchObject({ 'content-type': 'application/pdf', etag: 'W/"1"' });
      expect(body).toEqual(bytes);
    }
  });

  it.each(['application/fhir+json', 'application/json', 'application/fhir+json, */*;q=0.1'])(
    'with Accept %s gives the resource',
    async (accept) => {
      const { body } = await http().get(`${BASE}/Binary/pdf`).set('Accept', accept).expect(200);
      expect(body).toMatchObject({ resourceType: 'Binary', data: bytes.toString('base64') });
    },
  );

  it('with _format=json gives the resource, and XML to nobody', async () => {
    expect((await http().get(`${BASE}/Binary/pdf?_format=json`).expect(200)).body.contentType).toBe(
      'application/pdf',
    );
    await http().get(`${BASE}/Binary/pdf`).set('Accept', 'application/fhir+xml').expect(406);
  });

  it('gives a browser nothing to run', async () => {
    const { headers } = await fetched('Binary/page').expect(200);
    expect(headers['content-security-policy']).toMatch(/^sandbox;/);
    expect(headers['content-disposition']).toBe('attachment');
    expect(headers['x-content-type-options']).toBe('nosniff');
  });

  it('of what is not there is an OperationOutcome all the same', async () => {
    const { body } = await http().get(`${BASE}/Binary/none`).set('Accept', 'application/pdf').expect(404);
    expect(body.resourceType).toBe('OperationOutcome');
  });

  it('by HEAD has the headers alone, and one that is not new is 304', async () => {
    const { headers } = await http().head(`${BASE}/Binary/pdf`).expect(200);
    expect(headers).toMatchObject({
      'content-type': 'application/pdf',
      'content-length': String(bytes.length),
    });
    await http().get(`${BASE}/Binary/pdf`).set('If-None-Match', 'W/"1"').expect(304);
  });
});
