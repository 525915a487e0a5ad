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
    const raw = (await client.request('Patient?_count=1')) as Any;
    expect(raw.type).toBe('searchset');
  });

  it('searches a type, a compartment and the whole system, by GET and by POST', async () => {
    const { id } = (await client.create({
      resourceType: 'Patient',
      body: patient({ name: [{ family: 'Everywhere' }] }) as never,
    })) as Any;
    const body = {
      resourceType: 'Condition',
      subject: { reference: `Patient/${id}` },
      code: { text: 'Gout' },
    };
    const condition = (await client.create({ resourceType: 'Condition', body: body as never })) as Any;
    const ids = (bundle: unknown) => ((bundle as Any).entry ?? []).map((e: Any) => e.resource.id);
    for (const options of [{}, { postSearch: true }]) {
      expect(
        ids(
          await client.search({ resourceType: 'Patient', searchParams: { family: ['everywhere'] }, options }),
        ),
      ).toEqual([id]);
      expect(
        ids(
          await client.search({
            resourceType: 'Condition',
            compartment: { resourceType: 'Patient', id },
            searchParams: { 'code:text': 'gout' },
            options,
          }),
        ),
      ).toEqual([condition.id]);
    }
    const searchParams = { _type: 'Patient,Condition', _id: `${id},${condition.id}` };
    expect(ids(await client.systemSearch({ searchParams })).sort()).toEqual([id, condition.id].sort());
  });

  it('updates and creates on conditions, and is refused a version that is not the current', async () => {
    const identifier = [{ system: 'urn:kit', value: '1' }];
    const searchParams = { identifier: 'urn:kit|1' };
    const body = patient({ identifier }) as never;
    const one = (await client.update({ resourceType: 'Patient', searchParams, body })) as Any;
    const two = (await client.update({ resourceType: 'Patient', searchParams, body })) as Any;
    expect(two.id).toBe(one.id);
    const headers = { 'If-None-Exist': 'identifier=urn:kit|1' };
    const three = (await client.create({ resourceType: 'Patient', body, options: { headers } })) as Any;
    expect(three.id).toBe(one.id);
    const stale = {
      resourceType: 'Patient',
      id: one.id,
      body: one,
      options: { headers: { 'If-Match': 'W/"1"' } },
    };
    expect(await statusOf(client.update(stale as never))).toBe(412);
  });

  it('reads the histories of a resource, a type and the system', async () => {
    const { id } = (await client.create({
      resourceType: 'Basic',
      body: { resourceType: 'Basic', code: { text: 'x' } } as never,
    })) as Any;
    for (const history of [
      await client.history({ resourceType: 'Basic', id }),
      await client.resourceHistory({ resourceType: 'Basic', id }),
      await client.history({ resourceType: 'Basic' }),
      await client.history(),
    ] as Any[]) {
      expect(history.type).toBe('history');
      expect(history.entry[0].resource.id).toBe(id);
      expect(history.entry[0].request.method).toBe('POST');
    }
  });

  it('resolves references: relative, absolute, contained and within a bundle', async () => {
    const { id } = (await client.create({ resourceType: 'Patient', body: patient() as never })) as Any;
    const reference = `Patient/${id}`;
    expect(((await client.resolve({ reference })) as Any).id).toBe(id);
    expect(((await client.resolve({ reference: `${client.baseUrl}/${reference}` })) as Any).id).toBe(id);
    const context = (await client.search({ resourceType: 'Patient', searchParams: { _id: id } })) as never;
    expect(((await client.resolve({ reference, context })) as Any).id).toBe(id);
    const body = {
      resourceType: 'MedicationRequest',
      status: 'active',
      intent: 'order',
      subject: { reference },
      contained: [{ resourceType: 'Medication', id: 'm', code: { text: 'Aspirin' } }],
      medicationReference: { reference: '#m' },
    };
    const order = (await client.create({ resourceType: 'MedicationRequest', body: body as never })) as never;
    expect(((await client.resolve({ reference: '#m', context: order })) as Any).code.text).toBe('Aspirin');
  });

  it('has no page before: links lead forward, as R4 leaves previous ones to the server', async () => {
    const first = (await client.search({ resourceType: 'Patient', searchParams: { _count: 1 } })) as Any;
    const second = (await client.nextPage({ bundle: first as never })) as Any;
    expect(second.entry).toHaveLength(1);
    expect(client.prevPage({ bundle: second as never })).toBeUndefined();
  });

  it('learns where tokens come from', async () => {
    const { tokenUrl } = await client.smartAuthMetadata();
    expect(tokenUrl?.href).toMatch(/^http/);
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
    const input = { resourceType: 'Parameters', parameter: [{ name: 'resource', resource: patient() }] };
    const validated = (await client.operation({
      name: '$validate',
      resourceType: 'Patient',
      method: 'POST',
      input: input as never,
    })) as Any;
    expect(validated.resourceType).toBe('OperationOutcome');
    const everything = await client.operation({
      name: 'everything',
      resourceType: 'Patient',
      id,
      method: 'GET',
      input: { _count: 5 } as never,
    });
    expect((everything as Any).entry).toHaveLength(1);
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
