import { request as requestHttp } from 'node:http';
import { authorizationOf, type System } from '../../src/system.js';
import { asAdmin } from '../../src/tenancy/database.js';
import type { ServerAddress } from '../../src/tenancy/postgres/embedded.js';

/**
 * S-30: many tenants at once, of which each holds the same ids with a word of its own, while connections are killed, sockets
 * torn, pools drained, statements cancelled and tenants suspended. No answer may hold the word of another tenant; what was
 * acknowledged must be there afterwards; every tenant must serve again.
 */
export interface ChaosTarget {
  readonly system: System;
  /** Where the system's API listens. */
  readonly port: number;
  readonly server: ServerAddress;
}

export interface ChaosOptions {
  readonly tenants: number;
  readonly seconds: number;
  readonly seed: number;
  /** Clients that send at the same time. */
  readonly atOnce?: number;
}

export interface ChaosReport {
  /** By kind of request: answered as asked, refused (4xx, 5xx), torn off. */
  readonly requests: Readonly<Record<string, { done: number; refused: number; torn: number }>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly statuses: Readonly<Record<number, number>>;
  /** What no answer may have been; empty where the walls held. */
  readonly wrong: readonly string[];
}

interface Place {
  readonly index: number;
  readonly name: string;
  readonly word: string;
  readonly token: string;
  /** Ids of records whose creation was acknowledged. */
  readonly made: Set<string>;
  /** Addresses of further pages that were given out. */
  readonly pages: string[];
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly location: string | undefined;
}

const MAX_WRONG = 50;
const WORD = /zqx(\d+)zqx/g;
const wordOf = (index: number) => `zqx${index}zqx`;

function drawer(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

export async function chaos(target: ChaosTarget, options: ChaosOptions): Promise<ChaosReport> {
  const { system, port, server } = target;
  const draw = drawer(options.seed);
  const pick = <T>(list: readonly T[]): T => list[draw(list.length)]!;
  const requests: Record<string, { done: number; refused: number; torn: number }> = {};
  const faults: Record<string, number> = {};
  const statuses: Record<number, number> = {};
  const wrong: string[] = [];
  const found = (what: string) => {
    if (wrong.length < MAX_WRONG) wrong.push(what);
  };

  const send = (method: string, path: string, token: string, body?: unknown, tearAfterMs?: number) =>
    new Promise<Answer | undefined>((resolve) => {
      const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
      const request = requestHttp(
        {
          host: '127.0.0.1',
          port,
          method,
          path,
          agent: false,
          headers: {
            Authorization: `Bearer ${token}`,
            ...(text === undefined
              ? {}
              : {
                  'Content-Type': 'application/fhir+json',
                  'Content-Length': String(Buffer.byteLength(text)),
                }),
            ...(path.includes('$export') ? { Prefer: 'respond-async' } : {}),
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', () => resolve(undefined));
          response.on('close', () => {
            if (!response.complete) resolve(undefined);
          });
          response.on('end', () =>
            resolve({
              status: response.statusCode!,
              text: Buffer.concat(chunks).toString('utf8'),
              location: response.headers['content-location'],
            }),
          );
        },
      );
      request.on('error', () => resolve(undefined));
      if (tearAfterMs !== undefined) setTimeout(() => request.destroy(), tearAfterMs);
      request.end(text);
    });

  const records = (word: string) => [
    {
      resourceType: 'Patient',
      id: 'p',
      name: [{ family: word }],
      identifier: [{ system: 'urn:x', value: word }],
    },
    ...['o1', 'o2', 'o3', 'o4'].map((id, i) => ({
      resourceType: 'Observation',
      id,
      status: 'final',
      code: { coding: [{ system: 'http://loinc.org', code: '718-7' }], text: word },
      subject: { reference: 'Patient/p' },
      effectiveDateTime: `2024-0${i + 1}-01`,
      valueQuantity: { value: i, unit: 'g', system: 'http://unitsofmeasure.org', code: 'g' },
    })),
  ];
  const put = (resource: { resourceType: string; id: string }) => ({
    resource,
    request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
  });

  const authorization = authorizationOf(system.config, system);
  const places: Place[] = [];
  /** Theirs alone: others may use the server too. */
  const databases: string[] = [];
  for (let index = 0; index < options.tenants; index++) {
    const name = `chaos${index}`;
    const record = await system.tenants.create(name);
    databases.push(record.database);
    const token = authorization.issue({ tenant: record, scope: 'system/*.cruds', lifeS: 7200 });
    const place = { index, name, word: wordOf(index), token, made: new Set<string>(), pages: [] };
    places.push(place);
    const made = await send('POST', `/fhir/${name}`, token, {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: records(place.word).map(put),
    });
    if (made?.status !== 200) throw new Error(`A tenant could not be filled: ${made?.status} ${made?.text}`);
  }

  let serial = 0;
  const create = (place: Place) => {
    const id = `n${++serial}`;
    return {
      id,
      resource: {
        resourceType: 'Basic',
        id,
        code: { text: place.word },
        subject: { reference: 'Patient/p' },
      },
    };
  };
  type Kind = (place: Place, tear: number | undefined) => Promise<Answer | undefined>;
  const get =
    (path: string): Kind =>
    ({ name, token }, tear) =>
      send('GET', `/fhir/${name}/${path}`, token, undefined, tear);
  const KINDS: Readonly<Record<string, Kind>> = {
    read: get('Patient/p'),
    vread: get('Observation/o1/_history/1'),
    history: get('Patient/p/_history'),
    'type history': get('Observation/_history?_count=3'),
    search: get('Observation?code=718-7&_include=Observation:subject&_sort=-date'),
    chain: get('Observation?subject.family=zqx'),
    count: get('Observation?_summary=count'),
    timeline: get('Patient/p/$timeline?_count=2'),
    everything: get('Patient/p/$everything'),
    jobs: get('$jobs'),
    log: get('AuditEvent/$audit-log?_count=20'),
    async page(place, tear) {
      const address = place.pages.length > 0 ? pick(place.pages) : `/fhir/${place.name}/Observation?_count=1`;
      return send('GET', address, place.token, undefined, tear);
    },
    async 'a page of another tenant'(place, tear) {
      const other = pick(places);
      const query = other.pages.length > 0 ? pick(other.pages).split('?')[1] : '_count=1';
      return send('GET', `/fhir/${place.name}/Observation?${query}`, place.token, undefined, tear);
    },
    async 'the token of another tenant'(place, tear) {
      const other = places[(place.index + 1 + draw(places.length - 1)) % places.length]!;
      const answer = await send('GET', `/fhir/${place.name}/Patient/p`, other.token, undefined, tear);
      if (answer && answer.status < 400) found(`the token of ${other.name} counted at ${place.name}`);
      return answer;
    },
    async update(place, tear) {
      const { id, resource } = create(place);
      const answer = await send('PUT', `/fhir/${place.name}/Basic/${id}`, place.token, resource, tear);
      if (answer?.status === 201) place.made.add(id);
      return answer;
    },
    async transaction(place, tear) {
      const two = [create(place), create(place)];
      const bundle = {
        resourceType: 'Bundle',
        type: 'transaction',
        entry: two.map(({ resource }) => put(resource)),
      };
      const answer = await send('POST', `/fhir/${place.name}`, place.token, bundle, tear);
      if (answer?.status === 200) for (const { id } of two) place.made.add(id);
      return answer;
    },
    async batch(place, tear) {
      const entry = ['Patient/p', 'Observation?code=718-7', 'Basic?_count=2'].map((url) => ({
        request: { method: 'GET', url },
      }));
      const bundle = { resourceType: 'Bundle', type: 'batch', entry };
      return send('POST', `/fhir/${place.name}`, place.token, bundle, tear);
    },
    async export(place, tear) {
      const kick = await send(
        'GET',
        `/fhir/${place.name}/$export?_type=Patient`,
        place.token,
        undefined,
        tear,
      );
      if (kick?.status !== 202 || kick.location === undefined) return kick;
      for (let i = 0; i < 20; i++) {
        const status = await send('GET', new URL(kick.location).pathname, place.token);
        if (status?.status !== 200) {
          await new Promise((resolve) => setTimeout(resolve, 100));
          continue;
        }
        const { output } = JSON.parse(status.text) as { output: { url: string }[] };
        const file = output[0] && (await send('GET', new URL(output[0].url).pathname, place.token));
        const other = places[(place.index + 1) % places.length]!;
        if (output[0]) {
          const path = new URL(output[0].url).pathname.replace(`/${place.name}/`, `/${other.name}/`);
          const taken = await send('GET', path, other.token);
          if (taken && taken.status < 400) found(`${other.name} was given the export of ${place.name}`);
        }
        return file;
      }
      return kick;
    },
  };

  /** Of the words in an answer all must be the tenant's own; queries in the log stand there as base64. */
  const look = (kind: string, place: Place, { text, status }: Answer) => {
    const decoded = [...text.matchAll(/"query":"([A-Za-z0-9+/=]+)"/g)].map((m) =>
      Buffer.from(m[1]!, 'base64').toString('utf8'),
    );
    for (const one of [text, ...decoded])
      for (const [, index] of one.matchAll(WORD))
        if (Number(index) !== place.index)
          found(`${kind} at ${place.name} (${status}) holds the word of ${index}`);
    const database = /zqx|tenant_[0-9a-f]/.exec(status >= 500 ? text : '');
    if (database) found(`${kind} at ${place.name}: an error shows what it should not`);
    if (status === 200 && (kind === 'read' || kind === 'vread' || kind === 'everything'))
      if (!text.includes(place.word)) found(`${kind} at ${place.name} lacks its own word`);
    for (const [, url] of text.matchAll(/"relation":"next","url":"([^"]+)"/g)) {
      const { pathname, search } = new URL(url!);
      if (!pathname.startsWith(`/fhir/${place.name}/`)) found(`a page of ${place.name} leads to ${pathname}`);
      if (place.pages.length < 20 && pathname.endsWith('/Observation'))
        place.pages.push(`${pathname}${search}`);
    }
  };

  // A look that finds nothing where there is something would let everything pass.
  look('a word of another', places[0]!, { status: 200, text: wordOf(1), location: undefined });
  if (wrong.pop() === undefined) throw new Error('The look at answers is blind.');

  const suspended = new Set<string>();
  const ends = Date.now() + options.seconds * 1000;
  const working = () => Date.now() < ends;
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const FAULTS: Readonly<Record<string, () => Promise<void>>> = {
    'connections killed': () =>
      asAdmin(server, async (admin) => {
        await admin.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = any($1) and pid <> pg_backend_pid() order by random() limit 4`,
          [databases],
        );
      }),
    // As a statement timeout does: 57014.
    'statements cancelled': () =>
      asAdmin(server, async (admin) => {
        await admin.query(
          `select pg_cancel_backend(pid) from pg_stat_activity
           where datname = any($1) and state = 'active' and pid <> pg_backend_pid()`,
          [databases],
        );
      }),
    'a pool drained': async () => {
      const { pool } = await system.tenants.open(pick(places).name);
      const held = await Promise.allSettled(Array.from({ length: 8 }, () => pool.connect()));
      await pause(300);
      for (const one of held) if (one.status === 'fulfilled') one.value.release();
    },
    'a connection given back in the middle of an error': async () => {
      const { pool } = await system.tenants.open(pick(places).name);
      const client = await pool.connect();
      await client.query('begin').catch(() => undefined);
      await client.query('set search_path to nowhere; select 1/0').catch(() => undefined);
      client.release();
    },
    'a tenant suspended': async () => {
      const { name } = pick(places);
      if (suspended.has(name)) return;
      suspended.add(name);
      await system.tenants.setState(name, 'suspended');
      await pause(200);
      await system.tenants.setState(name, 'active');
      suspended.delete(name);
    },
    'a table locked': async () => {
      const { pool } = await system.tenants.open(pick(places).name);
      const client = await pool.connect();
      try {
        await client.query('begin');
        await client.query("set local lock_timeout = '200ms'");
        await client.query('lock table resource in share mode');
        await pause(300);
      } finally {
        await client.query('rollback').catch(() => undefined);
        client.release();
      }
    },
  };

  async function client(): Promise<void> {
    while (working()) {
      const place = pick(places);
      const kind = pick(Object.keys(KINDS));
      requests[kind] ??= { done: 0, refused: 0, torn: 0 };
      const counted = requests[kind];
      const answer = await KINDS[kind]!(place, draw(12) === 0 ? draw(30) : undefined);
      if (!answer) {
        counted.torn++;
        continue;
      }
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
      if (answer.status < 400) counted.done++;
      else counted.refused++;
      look(kind, place, answer);
    }
  }
  async function mischief(): Promise<void> {
    while (working()) {
      const fault = pick(Object.keys(FAULTS));
      // A fault may itself fall victim to another.
      await FAULTS[fault]!().catch(() => undefined);
      faults[fault] = (faults[fault] ?? 0) + 1;
      await pause(40 + draw(80));
    }
  }
  await Promise.all([...Array.from({ length: options.atOnce ?? 16 }, client), mischief(), mischief()]);

  for (const place of places) {
    // Whatever was broken is mended by asking again: nobody restarts anything.
    let answer: Answer | undefined;
    for (let i = 0; i < 20 && answer?.status !== 200; i++) {
      answer = await send('GET', `/fhir/${place.name}/Patient/p`, place.token);
      if (answer?.status !== 200) await pause(100);
    }
    if (answer?.status !== 200) found(`${place.name} does not serve afterwards: ${answer?.status}`);
    else look('read', place, answer);
    for (const id of place.made) {
      const kept = await send('GET', `/fhir/${place.name}/Basic/${id}`, place.token);
      if (kept?.status !== 200)
        found(`${place.name}: a creation was acknowledged and is gone (${kept?.status})`);
      else if (!kept.text.includes(place.word)) found(`${place.name}: a record is another's`);
    }
  }
  return { requests, faults, statuses, wrong };
}
