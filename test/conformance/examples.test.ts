import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseJson } from '../../src/core/json.js';
import type { Resource } from '../../src/core/resource.js';
import type { Rooms } from '../../src/system.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';
import { type ExampleCounts, noExamples, tryExample } from './example-check.js';

/** What `npm run examples` does with R4's own examples, here with a few resources of ours. */
let system: TestSystem;
let rooms: Rooms;
let tenant: Tenant;
beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  rooms = await system.rooms();
  tenant = await system.tenant('a');
});
afterAll(() => system.close());

const ROWS: [what: string, searches: number, json: string][] = [
  [
    'a patient with every kind of string and token',
    14,
    `{"resourceType":"Patient","id":"p","meta":{"versionId":"9","tag":[{"system":"urn:t","code":"a,b$c|d"}]},
      "identifier":[{"system":"urn:mrn","value":"00|7"}],"active":true,
      "name":[{"family":"Ødegård, sr.","given":["Zoë"]}],"telecom":[{"system":"phone","value":"+47 22 33"}],
      "gender":"other","birthDate":"1970-02","deceasedDateTime":"2019-03-04T10:00:00+01:00",
      "address":[{"city":"Tromsø","postalCode":"9007","country":"NO","use":"home"}],
      "generalPractitioner":[{"reference":"Practitioner/x"},{"identifier":{"system":"urn:n","value":"1"}}]}`,
  ],
  [
    'an observation with decimals, a composite and references',
    18,
    `{"resourceType":"Observation","id":"o","status":"final","code":{"coding":[{"system":"urn:c","code":"bp"}]},
      "subject":{"reference":"Patient/p"},"effectivePeriod":{"start":"2020-01-01"},
      "valueQuantity":{"value":1.50,"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"},
      "component":[{"code":{"coding":[{"system":"urn:c","code":"x"}]},"valueQuantity":{"value":0.000100,"unit":"g"}}]}`,
  ],
  [
    'a place on the map',
    4,
    `{"resourceType":"Location","id":"l","name":"Ward","position":{"longitude":18.95508,"latitude":69.6489000}}`,
  ],
  [
    'a definition with addresses and versions',
    6,
    `{"resourceType":"PlanDefinition","id":"d","url":"urn:d","version":"1.0","status":"draft","date":"2021",
      "library":["http://a.example/Library/x|2"],"relatedArtifact":[{"type":"depends-on","resource":"http://a.example/L,1"}]}`,
  ],
];

async function tried(resource: Resource): Promise<ExampleCounts> {
  const counts = noExamples();
  await tryExample(rooms, tenant, resource.resourceType, resource, counts);
  return counts;
}

it.each(ROWS)('%s is read back to the digit and found by every parameter', async (_what, searches, json) => {
  const counts = await tried(parseJson(json) as Resource);
  expect(counts.exceptions).toEqual([]);
  expect(counts.failed).toBe(0);
  expect(counts.passed).toBeGreaterThanOrEqual(searches);
});

it('counts what is not found', async () => {
  const blind: Rooms = {
    ...rooms,
    search: { ...rooms.search, search: async () => ({ entries: [], self: '', warnings: [] }) },
  };
  const counts = noExamples();
  await tryExample(blind, tenant, 'x', parseJson(ROWS[2]![2]) as Resource, counts);
  expect(counts.failed).toBeGreaterThan(2);
  expect(counts.exceptions[0]).toContain('not found by');
});
