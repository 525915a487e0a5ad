import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer, get as httpGet, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../../src/http/app.js';
import { type Rooms, wireRooms } from '../../src/system.js';
import { createAuthorization } from '../../src/tenancy/clients-authorization.js';
import { startExportWorker } from '../../src/worker/exports.js';
import { startImportWorker } from '../../src/worker/imports.js';
import { type TestSystem, testSystem } from '../support/system.js';

/**
 * What a bulk data client that was written for other servers does, request by request, over real HTTP: how the common
 * one kicks off, authorizes, polls, downloads, follows attachments and cancels (its headers and encodings as they are).
 */
// biome-ignore lint/suspicious/noExplicitAny: answers are looked at by the expectations
type Any = any;

interface Options {
  readonly fhirUrl: string;
  readonly global?: boolean;
  readonly group?: string;
  readonly patient?: string;
  readonly post?: boolean;
  readonly lenient?: boolean;
  readonly query?: Readonly<Record<string, string>>;
  readonly clientId?: string;
  readonly scope?: string;
}

const keys = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const KID = 'export-key';
const JWKS = { keys: [{ ...keys.publicKey.export({ format: 'jwk' }), kid: KID, alg: 'ES384' }] };

class Client {
  private token = '';
  constructor(private readonly options: Options) {}

  async json(url: string, init: RequestInit = {}): Promise<{ status: number; headers: Headers; body: Any }> {
    const token = await this.accessToken();
    const answer = await fetch(url, {
      ...init,
      headers: { ...(init.headers as object), ...(token ? { authorization: `Bearer ${token}` } : {}) },
    });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, body: text === '' ? '' : JSON.parse(text) };
  }

  /** Once; with the assertion that is made of the token endpoint, as the configuration names it. */
  private async accessToken(): Promise<string> {
    const { clientId, fhirUrl, scope = 'system/*.read' } = this.options;
    if (this.token || !clientId) return this.token;
    const found = await fetch(new URL('.well-known/smart-configuration', fhirUrl), {
      headers: { accept: 'application/json' },
    });
    const { token_endpoint } = (await found.json()) as { token_endpoint: string };
    const exp = Math.round(Date.now() / 1000) + 300;
    const claims = {
      iss: clientId,
      sub: clientId,
      aud: token_endpoint,
      exp,
      jti: randomBytes(10).toString('hex'),
    };
    const answer = await fetch(token_endpoint, {
      method: 'POST',
      headers: { accept: 'application/json' },
      body: new URLSearchParams({
        scope,
        grant_type: 'client_credentials',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: jwt.sign(claims, keys.privateKey, { algorithm: 'ES384', keyid: KID }),
      }),
    });
    const body = (await answer.json()) as Any;
    expect(answer.status, JSON.stringify(body)).toBe(200);
    expect(body.expires_in).toBeGreaterThan(0);
    this.token = body.access_token;
    return this.token;
  }

  kickOff(): Promise<{ status: number; headers: Headers; body: Any }> {
    const { fhirUrl, global, group, lenient, patient, post, query = {} } = this.options;
    const path = global ? '$export' : group ? `Group/${group}/$export` : 'Patient/$export';
    const url = new URL(path, fhirUrl);
    const headers: Record<string, string> = {
      accept: 'application/fhir+json',
      prefer: `respond-async${lenient ? ', handling=lenient' : ''}`,
    };
    if (!post && !patient) {
      for (const [name, value] of Object.entries(query)) url.searchParams.append(name, value);
      return this.json(String(url), { headers });
    }
    const parameter = [
      ...Object.entries(query).flatMap(([name, value]) =>
        name === '_type'
          ? value.split(',').map((type) => ({ name, valueString: type }))
          : [{ name, [name === '_since' ? 'valueInstant' : 'valueString']: value }],
      ),
      ...(patient?.split(',') ?? []).map((id) => ({
        name: 'patient',
        valueReference: { reference: `Patient/${id}` },
      })),
    ];
    return this.json(String(url), {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ resourceType: 'Parameters', parameter }),
    });
  }

  /** Polls as the server says, but no slower than the test likes. */
  async manifest(location: string): Promise<Any> {
    for (let polls = 0; polls < 300; polls++) {
      const { status, headers, body } = await this.json(location, {
        headers: { accept: 'application/json' },
      });
      if (status === 200) {
        expect(headers.get('content-type')).toMatch(/^application\/json/);
        return body;
      }
      expect(status, JSON.stringify(body)).toBe(202);
      expect(headers.get('retry-after')).toMatch(/^\d+$/);
      expect(headers.get('x-progress')).toBeTruthy();
      await new Promise((resume) => setTimeout(resume, 50));
    }
    throw new Error('The export did not end.');
  }

  /** A file as it comes, with the encodings the client can undo, and with the token only where the manifest says so. */
  async file(
    url: string,
    authorize: boolean,
  ): Promise<{ status: number; headers: IncomingHttpHeaders; text: string }> {
    const token = authorize ? await this.accessToken() : '';
    return new Promise((resolve, reject) => {
      httpGet(
        url,
        {
          headers: {
            'accept-encoding': 'gzip, deflate, br, identity',
            ...(token ? { authorization: `Bearer ${token}` } : {}),
          },
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk) => chunks.push(chunk));
          answer.on('error', reject);
          answer.on('end', () => {
            const bytes = Buffer.concat(chunks);
            const plain = answer.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes;
            resolve({ status: answer.statusCode!, headers: answer.headers, text: plain.toString('utf8') });
          });
        },
      ).on('error', reject);
    });
  }

  async everything(): Promise<{ location: string; manifest: Any; ids: string[]; notes: string[] }> {
    const started = await this.kickOff();
    expect(started.status, JSON.stringify(started.body)).toBe(202);
    const location = started.headers.get('content-location')!;
    const manifest = await this.manifest(location);
    const ids: string[] = [];
    const notes: string[] = [];
    for (const { type, url, count } of manifest.output) {
      const { status, headers, text } = await this.file(url, manifest.requiresAccessToken);
      expect(status).toBe(200);
      expect(headers['content-type']).toMatch(/^application\/(fhir\+)?ndjson/);
      const lines = text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(lines).toHaveLength(count);
      for (const resource of lines) {
        expect(resource.resourceType).toBe(type);
        ids.push(`${type}/${resource.id}`);
        for (const { attachment } of resource.content ?? []) {
          if (!attachment.url) continue;
          const found = await this.attachment(attachment);
          notes.push(found);
        }
      }
    }
    return { location, manifest, ids: ids.sort(), notes };
  }

  private async attachment({ url, contentType }: { url: string; contentType?: string }): Promise<string> {
    const token = await this.accessToken();
    const answer = await fetch(new URL(url, this.options.fhirUrl), {
      headers: {
        accept: contentType || 'application/json+fhir',
        ...(token ? { authorization: `Bearer ${token}` } : {}),
      },
    });
    expect(answer.status).toBe(200);
    const text = await answer.text();
    if (!/\bapplication\/(json(\+fhir)?|fhir\+json)\b/.test(answer.headers.get('content-type') ?? ''))
      return text;
    return Buffer.from(JSON.parse(text).data, 'base64').toString('utf8');
  }

  cancel(location: string): Promise<{ status: number; body: Any }> {
    return this.json(location, { method: 'DELETE', headers: { accept: 'application/json' } });
  }
}

let system: TestSystem;
let rooms: Rooms;
let worker: { stop(): Promise<void> };
let importer: { stop(): Promise<void> };
let open: Server;
let secured: Server;
let fhirUrl = '';
let securedUrl = '';

const listening = async (): Promise<[Server, string]> => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return [server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`];
};

beforeAll(async () => {
  system = await testSystem({ tenants: ['lake', 'copy'] });
  let openUrl: string;
  let closedUrl: string;
  [open, openUrl] = await listening();
  [secured, closedUrl] = await listening();
  rooms = wireRooms({
    clock: system.clock,
    tenants: system.tenants,
    baseUrl: openUrl,
    dataDir: system.dir,
    importReach: { origins: [], privateOrigins: [openUrl], stores: [] },
  });
  const authorization = createAuthorization({
    control: system.tenants.control,
    clock: system.clock,
    secret: randomBytes(32),
    trustedOrigins: new Set(),
  });
  const tenant = await system.tenant('lake');
  await authorization.clients.register(tenant.record, {
    kind: 'backend',
    scopes: 'system/*.rs',
    id: 'bulk',
    name: 'Bulk',
    jwks: JWKS,
  });
  const app = (baseUrl: string, dev: boolean) =>
    createApp(rooms, { baseUrl, version: '0', dev, authorization, verify: authorization.verify }).express;
  open.on('request', app(openUrl, true));
  secured.on('request', app(closedUrl, false));
  fhirUrl = `${openUrl}/fhir/lake/`;
  securedUrl = `${closedUrl}/fhir/lake/`;
  const subject = { reference: 'Patient/p1' };
  const records = [
    { resourceType: 'Patient', id: 'p1', gender: 'female' },
    { resourceType: 'Patient', id: 'p2', gender: 'male' },
    { resourceType: 'Organization', id: 'org', name: 'A clinic' },
    ...['final', 'amended'].map((status, i) => ({
      resourceType: 'Observation',
      id: `o${i + 1}`,
      status,
      code: { coding: [{ system: 'http://loinc.org', code: '4548-4' }] },
      subject,
    })),
    {
      resourceType: 'Observation',
      id: 'o3',
      status: 'final',
      code: { text: 'x' },
      subject: { reference: 'Patient/p2' },
    },
    {
      resourceType: 'Binary',
      id: 'b1',
      contentType: 'text/plain',
      securityContext: subject,
      data: Buffer.from('A note.').toString('base64'),
    },
    {
      resourceType: 'DocumentReference',
      id: 'd1',
      status: 'current',
      subject,
      content: [
        { attachment: { contentType: 'text/plain', url: 'Binary/b1' } },
        { attachment: { url: 'Binary/b1' } },
      ],
    },
    { resourceType: 'Group', id: 'g', type: 'person', actual: true, member: [{ entity: subject }] },
  ];
  await rooms.store.transact(tenant, { id: 'test', kind: 'job' }, (tx) =>
    tx.write(records.map((r) => ({ op: 'create' as const, type: r.resourceType, id: r.id, resource: r }))),
  );
  worker = startExportWorker({ tenants: system.tenants, exports: rooms.exports! });
  importer = startImportWorker({ tenants: system.tenants, imports: rooms.imports! });
});
afterAll(async () => {
  await worker?.stop();
  await importer?.stop();
  open?.close();
  secured?.close();
  await rooms?.closeRooms();
  await system?.close();
});

const P1 = ['DocumentReference/d1', 'Group/g', 'Observation/o1', 'Observation/o2', 'Patient/p1'];
const PATIENTS = [...P1, 'Observation/o3', 'Patient/p2'].sort();
const ALL = [...PATIENTS, 'Binary/b1', 'Organization/org'].sort();
const SINCE = '1999-01-01T00:00:00Z';

const CASES: readonly [what: string, options: Partial<Options>, ids: readonly string[]][] = [
  ['the system', { global: true }, ALL],
  ['all patients', {}, PATIENTS],
  ['a group', { group: 'g' }, P1],
  ['named patients, which it asks for by POST', { patient: 'p1,p2' }, PATIENTS],
  ['a group, by POST', { group: 'g', post: true, query: { _type: 'Patient,Observation' } }, P1.slice(2)],
  ['types, by GET', { query: { _type: 'Patient' } }, ['Patient/p1', 'Patient/p2']],
  ['what changed since', { query: { _since: SINCE, _type: 'Patient' } }, ['Patient/p1', 'Patient/p2']],
  [
    'what a filter finds, encoded as it does',
    {
      query: { _type: 'Observation', _typeFilter: 'Observation?status=amended&code=http://loinc.org|4548-4' },
    },
    ['Observation/o2'],
  ],
  [
    'what a filter finds, by POST',
    { post: true, query: { _type: 'Observation', _typeFilter: 'Observation?status=amended' } },
    ['Observation/o2'],
  ],
  [
    'elements, in a format it names',
    { query: { _type: 'Patient', _elements: 'id', _outputFormat: 'application/fhir+ndjson' } },
    ['Patient/p1', 'Patient/p2'],
  ],
  [
    'what a lenient server makes of a parameter it does not know',
    { lenient: true, query: { _type: 'Patient', _unheardOf: 'x' } },
    ['Patient/p1', 'Patient/p2'],
  ],
];

describe.each(['open', 'with Backend Services'])('a client of others, %s', (how) => {
  const client = (options: Partial<Options>) =>
    how === 'open'
      ? new Client({ fhirUrl, ...options })
      : new Client({ fhirUrl: securedUrl, clientId: 'bulk', ...options });

  it.each(CASES)('gets %s', async (_what, options, ids) => {
    const found = await client(options).everything();
    expect(found.ids).toEqual([...ids].sort());
    expect(found.manifest.requiresAccessToken).toBe(how !== 'open');
    expect(found.manifest.request).toContain('$export');
    if (ids.includes('DocumentReference/d1')) expect(found.notes).toEqual(['A note.', 'A note.']);
  });

  it('reads what the server can do before it asks', async () => {
    const { status, body } = await client({}).json(
      String(new URL('metadata', how === 'open' ? fhirUrl : securedUrl)),
      {
        headers: { accept: 'application/fhir+json,application/json+fhir,application/json' },
      },
    );
    expect([status, body.resourceType]).toEqual([200, 'CapabilityStatement']);
    expect(body.instantiates).toContain('http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data');
  });

  it('is told what is wrong where it does not ask leniently', async () => {
    const { status, body } = await client({ query: { _unheardOf: 'x' } }).kickOff();
    expect([status, body.resourceType]).toEqual([400, 'OperationOutcome']);
  });

  it('cancels, and the export is no more', async () => {
    const one = client({ global: true });
    const { location } = await one.everything();
    expect((await one.cancel(location)).status).toBe(202);
    const gone = await one.json(location, { headers: { accept: 'application/json' } });
    expect([gone.status, gone.body.resourceType]).toEqual([404, 'OperationOutcome']);
  });
});

describe('without a token, where one is needed', () => {
  it('nothing is given: neither the export, nor its state, nor its files', async () => {
    const { location, manifest } = await new Client({ fhirUrl: securedUrl, clientId: 'bulk' }).everything();
    const stranger = new Client({ fhirUrl: securedUrl });
    expect((await stranger.kickOff()).status).toBe(401);
    expect((await stranger.json(location)).status).toBe(401);
    expect((await stranger.file(manifest.output[0].url, false)).status).toBe(401);
  });
});

describe('what was exported', () => {
  it('is imported elsewhere from the addresses in the manifest', async () => {
    const { manifest, ids } = await new Client({ fhirUrl, global: true }).everything();
    const copy = new Client({ fhirUrl: fhirUrl.replace('/lake/', '/copy/'), global: true });
    const started = await copy.json(String(new URL('$import', fhirUrl.replace('/lake/', '/copy/'))), {
      method: 'POST',
      headers: {
        accept: 'application/fhir+json',
        prefer: 'respond-async',
        'content-type': 'application/json',
      },
      body: JSON.stringify({
        inputFormat: 'application/fhir+ndjson',
        inputSource: fhirUrl,
        input: manifest.output.map(({ type, url }: Any) => ({ type, url })),
      }),
    });
    expect(started.status, JSON.stringify(started.body)).toBe(202);
    const location = started.headers.get('content-location')!;
    for (let polls = 0; ; polls++) {
      const { status, body } = await copy.json(location, { headers: { accept: 'application/json' } });
      if (status === 200) {
        expect(body.error).toEqual([]);
        break;
      }
      expect([status, polls < 300]).toEqual([202, true]);
      await new Promise((resume) => setTimeout(resume, 50));
    }
    const there = await copy.everything();
    expect(there.ids).toEqual(ids);
    expect(there.notes).toEqual(['A note.', 'A note.']);
  });
});
