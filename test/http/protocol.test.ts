import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BASE, patient, type Served, serve } from './served.js';

/** What surrounds the interactions: formats, limits, headers, addresses (R4 http.html#mime-type, security S-05…S-27). */
let served: Served;
beforeAll(async () => {
  served = await serve();
  await served
    .http()
    .put(`${BASE}/Patient/p1`)
    .send(patient({ id: 'p1' }))
    .expect(201);
});
afterAll(() => served.close());

const http = () => served.http();
const READ = `${BASE}/Patient/p1`;

describe('the format of answers', () => {
  it.each([
    ['application/fhir+json', /^application\/fhir\+json/],
    ['application/json', /^application\/json/],
    ['*/*', /^application\/fhir\+json/],
    ['application/fhir+json;fhirVersion=4.0', /^application\/fhir\+json/],
    ['application/xml;q=0.5, application/fhir+json', /^application\/fhir\+json/],
    ['text/html,application/xhtml+xml,*/*;q=0.8', /^application\/json/],
  ])('Accept: %s', async (accept, type) => {
    const { headers } = await http().get(READ).set('Accept', accept).expect(200);
    expect(headers['content-type']).toMatch(type);
  });

  it.each(['application/fhir+xml', 'text/turtle', 'application/fhir+json;fhirVersion=3.0'])(
    'Accept: %s is refused with 406',
    async (accept) => {
      const { body } = await http().get(READ).set('Accept', accept).expect(406);
      expect(body.resourceType).toBe('OperationOutcome');
    },
  );

  it.each([
    ['json', 200],
    ['application/fhir%2Bjson', 200],
    ['application/fhir+json', 200],
    ['xml', 406],
    ['application/fhir+xml', 406],
  ])('_format=%s outweighs Accept', async (format, status) => {
    await http().get(`${READ}?_format=${format}`).set('Accept', 'text/turtle').expect(status);
  });
});

describe('the format of bodies', () => {
  it.each([
    ['application/fhir+json', 201],
    ['application/fhir+json; charset=utf-8; fhirVersion=4.0', 201],
    ['application/json', 201],
    ['application/fhir+xml', 415],
    ['text/xml', 415],
    ['multipart/form-data; boundary=x', 415],
    ['application/json; charset=utf-16', 415],
  ])('Content-Type: %s', async (type, status) => {
    await http()
      .post(`${BASE}/Patient`)
      .set('Content-Type', type)
      .send(JSON.stringify(patient()))
      .expect(status);
  });

  it('takes gzip', async () => {
    await http()
      .post(`${BASE}/Patient`)
      .set('Content-Type', 'application/fhir+json')
      .set('Content-Encoding', 'gzip')
      .serialize((x) => x as never)
      .send(gzipSync(JSON.stringify(patient())))
      .expect(201);
  });

  it.each([
    ['br', 415],
    ['gzip, gzip', 415],
    ['deflate', 415],
  ])('refuses Content-Encoding %s', async (encoding, status) => {
    await http()
      .post(`${BASE}/Patient`)
      .set('Content-Type', 'application/fhir+json')
      .set('Content-Encoding', encoding)
      .serialize((x) => x as never)
      .send(gzipSync('{}'))
      .expect(status);
  });

  it('refuses a gzip bomb without unpacking it', async () => {
    const bomb = gzipSync(Buffer.alloc(200 * 1024 * 1024, 32));
    const { body } = await http()
      .post(`${BASE}/Patient`)
      .set('Content-Type', 'application/fhir+json')
      .set('Content-Encoding', 'gzip')
      .serialize((x) => x as never)
      .send(bomb)
      .expect(413);
    expect(body.issue[0].code).toBe('too-long');
  });

  it('refuses invalid UTF-8 and nesting without end', async () => {
    const send = (bytes: Buffer) =>
      http()
        .post(`${BASE}/Patient`)
        .set('Content-Type', 'application/fhir+json')
        .serialize((x) => x as never)
        .send(bytes);
    await send(Buffer.from([0x7b, 0xff, 0xfe, 0x7d])).expect(400);
    await send(Buffer.from(`{"a":${'['.repeat(100_000)}`)).expect(400);
  });

  it('refuses a body over 16 MB', async () => {
    const big = JSON.stringify(patient({ text: { status: 'generated', div: 'x'.repeat(17 * 1024 * 1024) } }));
    await http().post(`${BASE}/Patient`).set('Content-Type', 'application/fhir+json').send(big).expect(413);
  });
});

describe('addresses (S-27)', () => {
  it.each([
    ['/fhir/lake/patient/p1', 404],
    ['/fhir/lake/Patient%2Fp1', 404],
    ['/fhir/lake//Patient/p1', 404],
    ['/fhir/lake/Patient/p1;jsessionid=1', 404],
    ['/fhir/lake/Patient/p 1'.replace(' ', '%20'), 404],
    ['/fhir/lake/Patients/p1', 404],
    ['/fhir/nobody/Patient/p1', 404],
    ['/fhir/UPPER/Patient/p1', 404],
    ['/fhir/lake/Patient/p1/', 200],
    ['/elsewhere', 404],
  ])('%s', async (path, status) => {
    const { body } = await http().get(path).expect(status);
    if (status >= 400) expect(body.resourceType).toBe('OperationOutcome');
  });

  it('answers 405 with Allow for a method that an address has not', async () => {
    const { headers } = await http().put(`${BASE}/Patient/p1/_history`).send({}).expect(405);
    expect(headers.allow).toContain('GET');
    await http().post(READ).set('X-HTTP-Method-Override', 'DELETE').send(patient()).expect(405);
    await http().get(READ).expect(200);
  });

  it('serves nothing to another host name in development mode (DNS rebinding)', async () => {
    await http().get(READ).set('Host', 'evil.example').expect(421);
    await http().get(READ).set('Host', 'localhost:8080').expect(200);
  });
});

describe('headers', () => {
  it('keep records out of caches and sniffers, and name no software', async () => {
    const { headers } = await http().get(READ).expect(200);
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers['x-powered-by']).toBeUndefined();
    expect(headers.server).toBeUndefined();
  });

  it('give back a harmless X-Request-Id and replace any other', async () => {
    const good = await http().get(READ).set('X-Request-Id', 'trace-1.a_B').expect(200);
    expect(good.headers['x-request-id']).toBe('trace-1.a_B');
    const bad = await http().get(READ).set('X-Request-Id', 'a b<script>').expect(200);
    expect(bad.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('say that an answer is packed when it is', async () => {
    for (let i = 0; i < 40; i++)
      await http()
        .post(`${BASE}/Basic`)
        .send({ resourceType: 'Basic', code: { text: `row ${i} ${'x'.repeat(200)}` } })
        .expect(201);
    const { headers, body } = await http()
      .get(`${BASE}/Basic?_count=40`)
      .set('Accept-Encoding', 'gzip')
      .expect(200);
    expect(headers['content-encoding']).toBe('gzip');
    expect(body.entry).toHaveLength(40);
  });
});

describe('browser apps of other origins (CORS)', () => {
  const app = 'https://app.example.org';
  let open: Served;
  beforeAll(async () => {
    open = await serve({ corsOrigins: [app] });
  });
  afterAll(() => open.close());

  it('may call when their origin is configured', async () => {
    const preflight = await open
      .http()
      .options(READ)
      .set('Origin', app)
      .set('Access-Control-Request-Method', 'PUT')
      .expect(204);
    expect(preflight.headers['access-control-allow-origin']).toBe(app);
    expect(preflight.headers['access-control-allow-methods']).toContain('PATCH');
    expect(preflight.headers['access-control-allow-headers']).toContain('If-Match');
    const { headers } = await open.http().get(`${BASE}/metadata`).set('Origin', app).expect(200);
    expect(headers['access-control-allow-origin']).toBe(app);
    expect(headers['access-control-expose-headers']).toContain('ETag');
    expect(headers['access-control-allow-credentials']).toBeUndefined();
  });

  it.each(['https://evil.example', 'https://app.example.org.evil.example', 'null'])(
    'may not from %s',
    async (origin) => {
      const { headers } = await open.http().get(`${BASE}/metadata`).set('Origin', origin).expect(200);
      expect(headers['access-control-allow-origin']).toBeUndefined();
      await open
        .http()
        .options(READ)
        .set('Origin', origin)
        .set('Access-Control-Request-Method', 'GET')
        .expect(405);
    },
  );
});

describe('too many at once', () => {
  it('are told to come again, before anything is read', async () => {
    const narrow = await serve({ maxPerTenant: 1 });
    const responses = await Promise.all(
      Array.from({ length: 12 }, () => narrow.http().get(`${BASE}/Patient?_count=1`)),
    );
    const refused = responses.filter((r) => r.status === 429);
    expect(responses.some((r) => r.status === 200)).toBe(true);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]!.headers['retry-after']).toBe('1');
    expect(refused[0]!.body.issue[0].code).toBe('throttled');
    // Each leaves its place when it is answered.
    await narrow.http().get(`${BASE}/Patient?_count=1`).expect(200);
    await narrow.close();
  });
});

describe('the service', () => {
  it('says that it lives, is ready, and counts without naming anybody', async () => {
    await http().get('/healthz').expect(200);
    await http().get('/readyz').expect(200);
    const { text } = await http().get('/metrics').expect(200);
    expect(text).toContain('cenote_http_requests_total{interaction="read",status="2xx"}');
    expect(text).not.toContain('lake');
  });

  it('is not ready while it drains', async () => {
    const draining = await serve();
    draining.app.drain();
    await draining.http().get('/readyz').expect(503);
    await draining.http().get('/healthz').expect(200);
    await draining.close();
  });

  it('logs interaction, type and status, and never a value, an id or a query', async () => {
    const lines: string[] = [];
    const logged = await serve({ log: (line) => lines.push(JSON.stringify(line)) });
    await logged
      .http()
      .put(`${BASE}/Patient/secret-id`)
      .send(patient({ id: 'secret-id' }))
      .expect(201);
    await logged.http().get(`${BASE}/Patient?family=Secretname&_count=3`).expect(200);
    await logged.http().get(`${BASE}/Patient/secret-id`).expect(200);
    await logged
      .http()
      .post(`${BASE}/Patient`)
      .send(patient({ birthDate: 'secret-date' }))
      .expect(400);
    await logged.close();
    expect(lines).toHaveLength(4);
    expect(lines.join('\n')).not.toMatch(/secret|Alder/i);
    expect(JSON.parse(lines[2]!)).toMatchObject({ interaction: 'read', type: 'Patient', status: 200 });
  });
});
