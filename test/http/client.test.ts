import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { Client } from 'fhir-kit-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Listening, listen } from '../../src/http/server.js';
import { patient, type Served, serve, TENANT } from './served.js';

/** What an application sees that knows FHIR and nothing of us: fhir-kit-client alone, over a socket. */
let served: Served;
let server: Listening;
let client: Client;
beforeAll(async () => {
  served = await serve({ dev: false, log: (line) => line.error && console.error(line) });
  server = await listen(served.app, { host: '127.0.0.1', port: 0, dev: false });
  client = new Client({ baseUrl: `http://127.0.0.1:${server.port}/fhir/${TENANT}` });
  client.bearerToken = await served.token(TENANT, 'system/*.cruds');
});
afterAll(async () => {
  await server.stop();
  await served.close();
});

// The client's own types know no JSON of ours.
// biome-ignore lint/suspicious/noExplicitAny: answers are looked at by the expectations
type Any = Record<string, any>;
const statusOf = (work: Promise<unknown>) =>
  work.then(
    () => 200,
    (error: { response?: { status: number } }) => error.response?.status,
  );

describe('fhir-kit-client', () => {
  it('reads the CapabilityStatement', async () => {
    const statement = (await client.capabilityStatement()) as Any;
    expect(statement.resourceType).toBe('CapabilityStatement');
  });

  it('creates, reads, updates, patches, reads versions and history, deletes', async () => {
    const created = (await client.create({ resourceType: 'Patient', body: patient() as never })) as Any;
    const where = { resourceType: 'Patient', id: created.id as string };
    expect(((await client.read(where)) as Any).birthDate).toBe('1970-02-03');
    await client.update({ ...where, body: { ...created, gender: 'female' } as never });
    await client.patch({ ...where, jsonPatch: [{ op: 'replace', path: '/gender', value: 'other' }] });
    expect(((await client.read(where)) as Any).gender).toBe('other');
    expect(((await client.vread({ ...where, version: '2' })) as Any).gender).toBe('female');
    expect(((await client.history(where)) as Any).total).toBe(3);
    await client.delete(where);
    expect(await statusOf(client.read(where))).toBe(410);
  });

  it('searches, pages forward, includes, and searches by POST', async () => {
    for (let i = 0; i < 5; i++)
      await client.create({
        resourceType: 'Patient',
        body: patient({ name: [{ family: 'Pager', given: [`P${i}`] }] }) as never,
      });
    const seen = new Set<string>();
    let page = (await client.search({
      resourceType: 'Patient',
      searchParams: { family: 'pager', _count: 2 },
    })) as Any | undefined;
    while (page) {
      for (const e of page.entry ?? []) seen.add(e.resource.id);
      page = (await client.nextPage({ bundle: page as never })) as Any | undefined;
    }
    expect(seen.size).toBe(5);
    const posted = (await client.resourceSearch({
      resourceType: 'Patient',
      searchParams: { family: 'pager' },
      options: { postSearch: true },
    })) as Any;
    expect(posted.entry).toHaveLength(5);
  });

  it('runs transactions and batches', async () => {
    const urn = 'urn:uuid:6a0d7c5e-98d1-4f6e-8a43-6f2f35b5c111';
    const body = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        { fullUrl: urn, resource: patient(), request: { method: 'POST', url: 'Patient' } },
        {
          resource: { resourceType: 'Condition', subject: { reference: urn }, code: { text: 'Gout' } },
          request: { method: 'POST', url: 'Condition' },
        },
      ],
    };
    const done = (await client.transaction({ body: body as never })) as Any;
    expect(done.entry.map((e: Any) => e.response.status)).toEqual(['201 Created', '201 Created']);
    const batch = (await client.batch({
      body: {
        ...body,
        type: 'batch',
        entry: [{ request: { method: 'GET', url: 'Patient?_count=1' } }],
      } as never,
    })) as Any;
    expect(batch.entry[0].resource.type).toBe('searchset');
  });

  it('calls operations', async () => {
    const { id } = (await client.create({ resourceType: 'Patient', body: patient() as never })) as Any;
    const timeline = (await client.operation({
      name: 'timeline',
      resourceType: 'Patient',
      id,
      method: 'GET',
    })) as Any;
    expect(timeline.type).toBe('searchset');
  });

  it('is told with a status and an OperationOutcome what went wrong', async () => {
    expect(await statusOf(client.read({ resourceType: 'Patient', id: 'nobody' }))).toBe(404);
    expect(
      await statusOf(
        client.create({ resourceType: 'Patient', body: patient({ birthDate: 'soon' }) as never }),
      ),
    ).toBe(400);
    const stranger = new Client({ baseUrl: client.baseUrl });
    expect(await statusOf(stranger.search({ resourceType: 'Patient' }))).toBe(401);
  });
});

describe('the server', () => {
  it('ends the requests under way before it stops', async () => {
    const other = await listen(served.app, { host: '127.0.0.1', port: 0, dev: false });
    const body = JSON.stringify(patient());
    const under = request({
      port: other.port,
      host: '127.0.0.1',
      method: 'POST',
      path: `/fhir/${TENANT}/Patient`,
      headers: {
        Authorization: `Bearer ${await served.token(TENANT, 'system/*.cruds')}`,
        'Content-Type': 'application/fhir+json',
        'Content-Length': body.length,
        Expect: '100-continue',
      },
    });
    under.flushHeaders();
    // The server has the request in hand once it asks for the body.
    await once(under, 'continue');
    const stopped = other.stop();
    under.end(body);
    const [answer] = (await once(under, 'response')) as [IncomingMessage];
    expect(answer.statusCode).toBe(201);
    answer.resume();
    await stopped;
  });

  it('says plainly that a port is in use, and that --dev is for this machine', async () => {
    await expect(listen(served.app, { host: '127.0.0.1', port: server.port, dev: false })).rejects.toThrow(
      /in use/,
    );
    await expect(listen(served.app, { host: '0.0.0.0', port: 0, dev: true })).rejects.toThrow(/loopback/);
  });
});
