import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Served, serve } from '../http/served.js';

/** ViewDefinition as a type beside R4's: kept, versioned and searched like any other. */
let lake: Served;
beforeAll(async () => {
  lake = await serve();
});
afterAll(() => lake.close());

const BASE = '/fhir/lake';
const view = {
  resourceType: 'ViewDefinition',
  id: 'bp',
  url: 'https://clinic.example/ViewDefinition/bp',
  name: 'blood_pressure',
  status: 'active',
  resource: 'Observation',
  select: [{ column: [{ name: 'id', path: 'getResourceKey()' }] }],
};

describe('a ViewDefinition', () => {
  it('is written, read in each version, searched and deleted', async () => {
    const http = lake.http();
    expect((await http.put(`${BASE}/ViewDefinition/bp`).send(view)).status).toBe(201);
    const changed = { ...view, title: 'Blood pressure' };
    expect((await http.put(`${BASE}/ViewDefinition/bp`).send(changed)).status).toBe(200);
    expect((await http.get(`${BASE}/ViewDefinition/bp/_history/1`)).body.title).toBeUndefined();
    expect((await http.get(`${BASE}/ViewDefinition/bp/_history`)).body.total).toBe(2);
    for (const query of [
      'url=https://clinic.example/ViewDefinition/bp',
      'name=blood',
      'title=blood',
      'status=active&resource=Observation',
      '_id=bp',
    ]) {
      expect((await http.get(`${BASE}/ViewDefinition?${query}&_total=accurate`)).body.total, query).toBe(1);
    }
    expect((await http.get(`${BASE}/ViewDefinition?resource=Patient&_total=accurate`)).body.total).toBe(0);
    expect((await http.delete(`${BASE}/ViewDefinition/bp`)).status).toBe(204);
    expect((await http.get(`${BASE}/ViewDefinition/bp`)).status).toBe(410);
  });

  it.each([
    [
      'a path that is none',
      { select: [{ column: [{ name: 'a', path: 'name..' }] }] },
      'ViewDefinition.select[0].column[0].path',
    ],
    [
      'a column twice',
      {
        select: [
          {
            column: [
              { name: 'a', path: 'id' },
              { name: 'a', path: 'status' },
            ],
          },
        ],
      },
      'ViewDefinition.select[0].column[1].name',
    ],
    [
      'alternatives of different columns',
      {
        select: [
          { unionAll: [{ column: [{ name: 'a', path: 'id' }] }, { column: [{ name: 'b', path: 'id' }] }] },
        ],
      },
      'ViewDefinition.select[0].unionAll[1]',
    ],
    ['a resource type that is none', { resource: 'Observations' }, 'ViewDefinition.resource'],
  ])('is refused with %s, naming the element', async (_what, wrong, at) => {
    const { status, body } = await lake
      .http()
      .post(`${BASE}/ViewDefinition`)
      .send({ ...view, ...wrong });
    expect([400, 422]).toContain(status);
    expect(body.issue[0].expression).toEqual([at]);
  });

  it('is told of in the CapabilityStatement', async () => {
    const { body } = await lake.http().get(`${BASE}/metadata`);
    expect(body.rest[0].documentation).toMatch(/ViewDefinition, searched by .*\burl\b.*\bresource\b/);
  });

  it('has definitions of its search parameters', async () => {
    const { body } = await lake.http().get(`${BASE}/SearchParameter/ViewDefinition-resource`);
    expect(body).toMatchObject({ code: 'resource', base: ['ViewDefinition'], type: 'token' });
  });
});
