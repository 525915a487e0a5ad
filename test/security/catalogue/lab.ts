import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { createServer, request as requestHttp } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import jwt from 'jsonwebtoken';
import { stringifyJson } from '../../../src/core/json.js';
import type { Actor, WriteOp } from '../../../src/store/contract.js';
import { authorizationOf, type System } from '../../../src/system.js';
import type { Authorization } from '../../../src/tenancy/clients-authorization.js';
import { asAdmin } from '../../../src/tenancy/database.js';
import type { ServerAddress } from '../../../src/tenancy/postgres/embedded.js';
import type { Answer } from './trial.js';

/** Where the attacks are tried: the API over sockets, with PostgreSQL behind it, and what an attacker may hold. */
export interface Lab {
  readonly url: string;
  readonly port: number;
  readonly system: System;
  readonly authorization: Authorization;
  readonly keyServer: KeyServer;
  send(request: Request): Promise<Answer>;
  /** What a bare connection answers until it ends. */
  raw(text: string, waitMs?: number): Promise<string>;
  token(scope: string, options?: TokenOptions): Promise<string>;
  /** A signed assertion of a client, crooked as told, sent to the token endpoint. */
  assertion(crooked?: Crooked): string;
  ask(assertion: string, over?: Record<string, string>, tenant?: string): Promise<Answer>;
  /** A statement of the administrator of the database server, as of an insider. */
  asAdmin(database: string, sql: string, values?: unknown[]): Promise<void>;
  /** A part of the inputs is enough. */
  readonly quick: boolean;
  close(): Promise<void>;
}

export interface Request {
  readonly method?: string;
  /** Below the tenant's base, or an address from the root where it starts with a slash. */
  readonly path: string;
  readonly token?: string | undefined;
  readonly headers?: Record<string, string | string[]>;
  /** Text and bytes as they are, anything else as JSON. */
  readonly body?: unknown;
}

export interface TokenOptions {
  readonly tenant?: string;
  readonly patient?: string;
  readonly subject?: string;
  readonly client?: string;
  readonly lifeS?: number;
}

export interface Crooked {
  readonly key?: KeyObject | string;
  readonly alg?: string;
  readonly header?: Record<string, unknown>;
  readonly claims?: Record<string, unknown>;
  readonly client?: string;
  readonly tenant?: string;
}

export const TENANT = 'lake';
export const OTHER_TENANT = 'other';
export const FLOODED_TENANT = 'flooded';
export const TENANTS = [TENANT, OTHER_TENANT, FLOODED_TENANT];
/** Stands in every record that a caller must not see. */
export const CANARY = 'Zzyzxcanary';

export const keys = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ec: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  stranger: generateKeyPairSync('rsa', { modulusLength: 2048 }),
};
export const jwk = (key: KeyObject, kid: string) => ({ ...key.export({ format: 'jwk' }), kid });
export const JWKS = { keys: [jwk(keys.rsa.publicKey, 'rsa-1'), jwk(keys.ec.publicKey, 'ec-1')] };

/** A token for everything in a tenant. */
export const all = (lab: Lab, tenant = TENANT) => lab.token('system/*.cruds', { tenant });
/** A token of the patient whose record is not hidden. */
export const own = (lab: Lab, scope = 'patient/*.cruds') =>
  lab.token(scope, { patient: 'mine', subject: 'Patient/mine' });
/** Nothing of the hidden patient stands in the answer, but what the caller itself sent. */
export const silent = (answer: Answer, sent = '') =>
  !answer.text.replaceAll(sent === '' ? '\0' : sent, '').includes(CANARY);
export const total = ({ json }: Answer): number => json?.total ?? json?.entry?.length ?? 0;

export async function create(
  lab: Lab,
  body: unknown,
  type = 'Patient',
  headers: Record<string, string> = {},
): Promise<Answer> {
  return lab.send({ method: 'POST', path: type, token: await all(lab), body, headers });
}

/** A server of key sets, of which most are made to hurt who fetches them. */
export interface KeyServer {
  readonly origin: string;
  /** Requests by path. */
  readonly asked: Map<string, number>;
  close(): void;
}

export async function startKeyServer(): Promise<KeyServer> {
  const asked = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.set(path, (asked.get(path) ?? 0) + 1);
    if (path === '/redirect') response.writeHead(302, { Location: '/good' }).end();
    else if (path === '/huge') response.end(`{"keys":[${' '.repeat(10_000_000)}]}`);
    else if (path === '/many')
      response.end(
        JSON.stringify({ keys: Array.from({ length: 100_000 }, (_, i) => ({ kty: 'RSA', kid: `k${i}` })) }),
      );
    else if (path === '/html') response.end('<html>sign in</html>');
    else if (path === '/slow') {
      const drip = setInterval(() => response.write(' '), 500);
      response.on('close', () => clearInterval(drip));
    } else response.end(JSON.stringify(JWKS));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const ACTOR: Actor = { id: 'lab', kind: 'system', requestId: 'lab' } as never;

/** The lab over a system whose API listens at `port`. Makes tenants, clients and records. */
export async function openLab(
  system: System,
  port: number,
  keyServer: KeyServer,
  server: ServerAddress,
  quick = false,
): Promise<Lab> {
  const authorization = authorizationOf(system.config, system);
  const url = `http://127.0.0.1:${port}`;
  const idOf = new Map<string, string>();
  for (const name of TENANTS) {
    if (!(await system.tenants.find(name))) await system.tenants.create(name);
    const { record } = await system.tenants.open(name);
    idOf.set(name, record.id);
    const backend = { kind: 'backend' as const, scopes: 'system/*.rs' };
    const { register } = authorization.clients;
    await register(record, { ...backend, id: 'nightly', name: 'Nightly export', jwks: JWKS });
    const twins = [jwk(keys.rsa.publicKey, 'same'), jwk(keys.stranger.publicKey, 'same')];
    await register(record, { ...backend, id: 'twins', name: 'Twins', jwks: { keys: twins } });
    for (const mode of ['good', 'redirect', 'huge', 'many', 'slow', 'html'])
      await register(record, {
        ...backend,
        id: `url-${mode}`,
        name: mode,
        jwksUrl: `${keyServer.origin}/${mode}`,
      });
  }
  await fill(system);

  const lab: Lab = {
    url,
    port,
    system,
    authorization,
    keyServer,
    send: ({ method = 'GET', path, token, headers = {}, body }) => {
      const raw = Buffer.isBuffer(body) || typeof body === 'string' || body === undefined;
      const bytes = raw ? body : stringifyJson(body);
      return new Promise((resolve, reject) => {
        const start = performance.now();
        const request = requestHttp(
          {
            host: '127.0.0.1',
            port,
            method,
            path: path.startsWith('/') ? path : `/fhir/${TENANT}/${path}`,
            headers: {
              ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
              ...(bytes === undefined ? {} : { 'Content-Type': 'application/fhir+json' }),
              ...(bytes === undefined
                ? {}
                : { 'Content-Length': String(Buffer.byteLength(bytes as string)) }),
              ...headers,
            },
          },
          (response) => {
            const chunks: Buffer[] = [];
            response.on('data', (chunk: Buffer) => chunks.push(chunk));
            response.on('error', reject);
            response.on('end', () => {
              const text = Buffer.concat(chunks).toString('utf8');
              let json: unknown;
              try {
                json = JSON.parse(text);
              } catch {
                json = undefined;
              }
              resolve({
                status: response.statusCode!,
                headers: response.headers,
                text,
                json: json as Answer['json'],
                ms: performance.now() - start,
              });
            });
          },
        );
        let answered = false;
        request.on('response', () => {
          answered = true;
        });
        // A refused body is not read to its end: the answer is there before the connection breaks.
        request.on('error', (error) => setTimeout(() => !answered && reject(error), 200));
        if (bytes === undefined) request.end();
        else request.end(bytes as Buffer);
      });
    },
    raw: (text, waitMs = 3_000) =>
      new Promise((resolve) => {
        const socket = connect(port, '127.0.0.1');
        let answer = '';
        const end = setTimeout(() => socket.destroy(), waitMs);
        socket.on('data', (bytes) => {
          answer += bytes.toString('latin1');
        });
        socket.on('error', () => {});
        socket.on('close', () => {
          clearTimeout(end);
          resolve(answer);
        });
        socket.write(text);
      }),
    async token(scope, { tenant = TENANT, ...options } = {}) {
      return authorization.issue({ tenant: { id: idOf.get(tenant)!, name: tenant }, scope, ...options });
    },
    assertion({
      key = keys.rsa.privateKey,
      alg = 'RS384',
      header,
      claims,
      client = 'nightly',
      tenant = TENANT,
    } = {}) {
      const payload: Record<string, unknown> = {
        iss: client,
        sub: client,
        aud: `${url}/oauth/${tenant}/token`,
        exp: Math.floor(Date.now() / 1000) + 240,
        jti: randomUUID(),
        ...claims,
      };
      for (const [name, value] of Object.entries(payload)) if (value === undefined) delete payload[name];
      const head = { kid: alg === 'ES384' ? 'ec-1' : 'rsa-1', typ: 'JWT', ...header };
      const plain = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
      if (alg !== 'none' && !/^(RS|ES|HS|PS)\d{3}$/.test(alg))
        return `${plain({ ...head, alg })}.${plain(payload)}.AAAA`;
      // As the library refuses to sign what no honest client would, it is put together by hand where it must.
      try {
        return jwt.sign(payload, key, {
          algorithm: alg as jwt.Algorithm,
          header: head as unknown as jwt.JwtHeader,
          noTimestamp: true,
          allowInvalidAsymmetricKeyTypes: true,
        });
      } catch {
        return `${plain({ ...head, alg })}.${plain(payload)}.AAAA`;
      }
    },
    ask: (client_assertion, over = {}, tenant = TENANT) =>
      lab.send({
        method: 'POST',
        path: `/oauth/${tenant}/token`,
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion,
          scope: 'system/*.rs',
          ...over,
        }).toString(),
      }),
    asAdmin: (database, sql, values = []) =>
      asAdmin({ ...server, database }, async (client) => {
        await client.query(sql, values);
      }),
    quick,
    close: async () => keyServer.close(),
  };
  return lab;
}

/** Types of which the other patient has a record, and the element that says whose it is. */
export const RECORDS: Readonly<Record<string, (patient: string) => object>> = {
  Observation: (p) => ({
    status: 'final',
    code: { text: CANARY, coding: [{ system: 'http://loinc.org', code: '4548-4' }] },
    subject: ref(p),
    valueQuantity: { value: 9.1, unit: '%', system: 'http://unitsofmeasure.org', code: '%' },
  }),
  Condition: (p) => ({ subject: ref(p), code: { text: CANARY } }),
  MedicationRequest: (p) => ({
    status: 'active',
    intent: 'order',
    medicationCodeableConcept: { text: CANARY },
    subject: ref(p),
  }),
  AllergyIntolerance: (p) => ({ patient: ref(p), code: { text: CANARY } }),
  Encounter: (p) => ({
    status: 'finished',
    class: { code: 'AMB' },
    subject: ref(p),
    reasonCode: [{ text: CANARY }],
  }),
  Procedure: (p) => ({ status: 'completed', subject: ref(p), code: { text: CANARY } }),
  DocumentReference: (p) => ({
    status: 'current',
    subject: ref(p),
    description: CANARY,
    content: [
      {
        attachment: {
          contentType: 'text/plain',
          data: Buffer.from(`${CANARY} takes aspirin.`).toString('base64'),
        },
      },
    ],
  }),
};
const ref = (id: string) => ({ reference: `Patient/${id}` });

/** Two patients in one tenant, one in the other; the second's records hold the canary. */
async function fill(system: System): Promise<void> {
  const tenant = await system.tenants.open(TENANT);
  const write = (type: string, id: string, body: object) => ({
    op: 'update' as WriteOp,
    type,
    id,
    resource: { resourceType: type, id, ...body },
  });
  const writes = [
    write('Patient', 'mine', { name: [{ family: 'Alder' }], birthDate: '1970-02-03' }),
    write('Patient', 'hidden', { name: [{ family: CANARY }], birthDate: '1961-01-01', gender: 'female' }),
    ...Object.entries(RECORDS).flatMap(([type, body]) => [
      write(type, 'hidden-1', body('hidden')),
      write(type, 'mine-1', JSON.parse(JSON.stringify(body('mine')).replaceAll(CANARY, 'Alder'))),
    ]),
    write('Group', 'hidden-group', { type: 'person', actual: true, member: [{ entity: ref('hidden') }] }),
  ];
  await system.store.commit(tenant, writes as never, ACTOR);
  const neighbour = await system.tenants.open(OTHER_TENANT);
  await system.store.commit(
    neighbour,
    [write('Patient', 'mine', { name: [{ family: `${CANARY}-neighbour` }] })] as never,
    ACTOR,
  );
}
