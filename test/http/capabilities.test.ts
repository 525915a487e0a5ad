import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { searchParametersOf } from '../../src/fhir/registry.js';
import { RESOURCE_TYPES } from '../../src/fhir/resource-types.js';
import { BASE, patient, type Served, serve } from './served.js';

/** R4 http.html#capabilities: what is claimed is served, and what is served is claimed. */
interface Capabilities {
  fhirVersion: string;
  format: string[];
  rest: {
    resource: {
      type: string;
      interaction: { code: string }[];
      operation?: { name: string; definition: string }[];
      searchParam: { name: string; type: string; definition: string }[];
      searchInclude: string[];
      searchRevInclude: string[];
    }[];
    interaction: { code: string }[];
    operation?: { name: string; definition: string }[];
  }[];
}

let served: Served;
let statement: Capabilities;
beforeAll(async () => {
  served = await serve();
  statement = (await served.http().get(`${BASE}/metadata`).expect(200)).body;
  await served
    .http()
    .put(`${BASE}/Patient/p1`)
    .send(patient({ id: 'p1' }))
    .expect(201);
});
afterAll(() => served.close());

const http = () => served.http();
const json = 'application/fhir+json';

/** A request for each interaction that can be claimed, and what proves that it is there. */
const TRIES: Record<string, () => Promise<number>> = {
  read: async () => (await http().get(`${BASE}/Patient/p1`)).status,
  vread: async () => (await http().get(`${BASE}/Patient/p1/_history/1`)).status,
  update: async () =>
    (
      await http()
        .put(`${BASE}/Patient/p1`)
        .send(patient({ id: 'p1' }))
    ).status,
  patch: async () =>
    (await http().patch(`${BASE}/Patient/p1`).set('Content-Type', 'application/json-patch+json').send('[]'))
      .status,
  delete: async () => (await http().delete(`${BASE}/Patient/p2`)).status,
  create: async () => (await http().post(`${BASE}/Patient`).send(patient())).status,
  'search-type': async () => (await http().get(`${BASE}/Patient?_count=1`)).status,
  'history-instance': async () => (await http().get(`${BASE}/Patient/p1/_history`)).status,
  'history-type': async () => (await http().get(`${BASE}/Patient/_history`)).status,
  'history-system': async () => (await http().get(`${BASE}/_history`)).status,
  'search-system': async () => (await http().get(`${BASE}?_type=Patient&_count=1`)).status,
  batch: async () =>
    (await http().post(BASE).set('Content-Type', json).send({ resourceType: 'Bundle', type: 'batch' }))
      .status,
  transaction: async () =>
    (await http().post(BASE).set('Content-Type', json).send({ resourceType: 'Bundle', type: 'transaction' }))
      .status,
};

describe('the CapabilityStatement', () => {
  it('is of R4, speaks JSON alone and names every resource type with every search parameter of its table', () => {
    expect(statement.fhirVersion).toBe('4.0.1');
    expect(statement.format).not.toContain('xml');
    const [rest] = statement.rest;
    // ViewDefinition is ours, and no code of R4's own list.
    expect(rest!.resource.map((r) => r.type)).toEqual(
      RESOURCE_TYPES.filter((type) => type !== 'ViewDefinition'),
    );
    for (const resource of rest!.resource) {
      const names = resource.searchParam.map((p) => p.name);
      const table = searchParametersOf(resource.type)
        .map((p) => p.code)
        .filter((c) => c !== '_type' && c !== '_has');
      expect(names).toEqual(table);
    }
  });

  it('has a mode for terminology, and no unknown modes', async () => {
    const { body } = await http().get(`${BASE}/metadata?mode=terminology`).expect(200);
    expect(body.resourceType).toBe('TerminologyCapabilities');
    await http().get(`${BASE}/metadata?mode=full`).expect(200);
    await http().get(`${BASE}/metadata?mode=other`).expect(400);
  });

  it('claims no interaction that is not served', async () => {
    const claimed = new Set([
      ...statement.rest[0]!.interaction.map((i) => i.code),
      ...statement.rest[0]!.resource.flatMap((r) => r.interaction.map((i) => i.code)),
    ]);
    expect(claimed.size).toBeGreaterThan(8);
    for (const code of claimed) {
      const attempt = TRIES[code];
      expect(attempt, `a way to try ${code}`).toBeDefined();
      expect(await attempt!(), code).toBeLessThan(300);
    }
  });

  it('claims every route that is served', () => {
    const [rest] = statement.rest;
    const ofType = new Map(rest!.resource.map((r) => [r.type, new Set(r.interaction.map((i) => i.code))]));
    const operations = new Set([
      ...(rest!.operation ?? []).map((o) => `$${o.name}`),
      ...rest!.resource.flatMap((r) => (r.operation ?? []).map((o) => `${r.type}$${o.name}`)),
    ]);
    const everyType = (code: string) => [...ofType.values()].every((codes) => codes.has(code));
    const ofSystem = new Set(rest!.interaction.map((i) => i.code));
    const unclaimed = served.app.router.routes.filter(({ claim }) => {
      if (claim.kind === 'type') return !everyType(claim.code);
      if (claim.kind === 'system') return !ofSystem.has(claim.code);
      return claim.kind === 'operation' && !operations.has(`${claim.type ?? ''}$${claim.name}`);
    });
    expect(unclaimed.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
  });

  it('claims no operation without a route', () => {
    const routes = new Set(
      served.app.router.routes.flatMap(({ claim }) =>
        claim.kind === 'operation' ? [`${claim.type ?? ''}$${claim.name}`] : [],
      ),
    );
    for (const { type, operation = [] } of statement.rest[0]!.resource)
      for (const { name } of operation) expect(routes).toContain(`${type}$${name}`);
    for (const { name } of statement.rest[0]!.operation ?? []) expect(routes).toContain(`$${name}`);
  });

  it('names definitions of ours and of search parameters that can be read, and are valid R4', async () => {
    const [rest] = statement.rest;
    const ours = [...rest!.resource.flatMap((r) => r.operation ?? []), ...(rest!.operation ?? [])]
      .map((o) => o.definition)
      .filter((url) => url.startsWith('https://cenote.health/fhir/'))
      .map((url) => url.slice('https://cenote.health/fhir/'.length));
    expect(ours.length).toBeGreaterThan(3);
    const parameters = rest!.resource
      .find((r) => r.type === 'Observation')!
      .searchParam.map((p) => `SearchParameter/${p.definition.split('/').at(-1)}`);
    for (const path of new Set([...ours, ...parameters])) {
      const { body } = await http().get(`${BASE}/${path}`).expect(200);
      const outcome = await http().post(`${BASE}/${body.resourceType}/$validate`).send(body).expect(200);
      expect(outcome.body.issue, path).toEqual([expect.objectContaining({ severity: 'information' })]);
    }
  });

  it('claims only search parameters that a search takes', async () => {
    const samples: Record<string, string> = {
      string: 'a',
      token: 'a',
      reference: 'Patient/p1',
      date: '2020',
      number: '1',
      quantity: '1',
      uri: 'http://example.org/x',
    };
    // All parameters of a type in one search: one that is not understood fails it.
    for (const { type, searchParam } of statement.rest[0]!.resource) {
      const query = searchParam.flatMap(({ name, type: kind }) => {
        const value = samples[kind];
        return value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`];
      });
      const { status, body } = await http()
        .get(`${BASE}/${type}?${query.join('&')}&_summary=count`)
        .set('Prefer', 'handling=strict');
      expect(status, `${type} ${JSON.stringify(body.issue)}`).toBe(200);
    }
  });

  it('claims only includes that a search takes', async () => {
    const { searchInclude, searchRevInclude } = statement.rest[0]!.resource.find(
      (r) => r.type === 'Encounter',
    )!;
    for (const include of searchInclude)
      await http().get(`${BASE}/Encounter?_include=${include}`).expect(200);
    for (const include of searchRevInclude.slice(0, 20))
      await http().get(`${BASE}/Encounter?_revinclude=${include}`).expect(200);
  });
});
