import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isFault } from '../../src/core/fault.js';
import { searchParametersOf } from '../../src/fhir/registry.js';
import type { Search } from '../../src/search/search.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';

const RUNS = 300;
let system: TestSystem;
let tenant: Tenant;
let search: Search;
let base: string;

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  const rooms = await system.rooms();
  ({ search } = rooms);
  tenant = await system.tenant('a');
  base = rooms.baseOf(tenant);
  const resource = {
    resourceType: 'Patient',
    id: 'p',
    name: [{ family: "O'Hara" }],
    birthDate: '1960-01-01',
  };
  await rooms.store.commit(tenant, [{ op: 'create', type: 'Patient', id: 'p', resource }], {
    id: 'test',
    kind: 'job',
  });
});

afterAll(() => system.close());

// What has broken servers: quotes, wildcards, separators, prefixes without a value, numbers out of range, zero bytes.
const NASTY = fc.constantFrom(
  "'; drop table resource; --",
  '%',
  '_',
  '\\',
  '\\\\',
  '$1',
  '{}',
  '{1,2}',
  '|',
  '||',
  '|||',
  '$',
  '$$',
  ',',
  ',,',
  '\u0000',
  '\ud800',
  'ge',
  "ge'",
  'ge1e999',
  '1e400',
  '-1e-400',
  '9'.repeat(400),
  '0000',
  '9999-99-99',
  '2020-02-30',
  '0001',
  'NaN',
  'Infinity',
  'null',
  'true',
  'Patient/',
  '/p',
  'Patient/p/_history/',
  'http://',
  'urn:uuid:',
  '#',
  '../..',
  'a'.repeat(5_000),
  '(',
  '"',
  'a eq "',
  'not (',
  '\u202e',
);
const text = fc.oneof(NASTY, fc.string({ maxLength: 20 }), fc.string({ unit: 'binary', maxLength: 8 }));
const codes = ['Patient', 'Observation'].flatMap((type) => searchParametersOf(type).map((p) => p.code));
const name = fc.oneof(
  fc.constantFrom(
    ...codes,
    '_id',
    '_sort',
    '_count',
    '_include',
    '_revinclude',
    '_elements',
    '_total',
    '_summary',
    '_type',
    '_list',
    '_filter',
    '_cursor',
    '_has:',
    '_has:Observation:patient:code',
    '_query',
  ),
  fc
    .tuple(
      fc.constantFrom(...codes),
      fc.constantFrom(
        ':exact',
        ':contains',
        ':missing',
        ':not',
        ':text',
        ':in',
        ':below',
        ':of-type',
        ':identifier',
        ':Patient',
        '.name',
        ':Patient.name',
        ':',
        '.',
        '..',
        ':a:b',
      ),
    )
    .map((p) => p.join('')),
  text,
);

test('whatever is asked, the answer is a page or a fault of the caller, never a defect', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('Patient', 'Observation', undefined),
      fc.array(fc.tuple(name, text), { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      async (type, params, strict) => {
        try {
          const page = await search.search(tenant, { type, params, strict, base });
          expect(page.entries.length).toBeLessThanOrEqual(1);
        } catch (error) {
          if (!isFault(error)) throw error;
          expect(['invalid', 'unsupported', 'too-large']).toContain(error.category);
          expect(error.remedy ?? '').not.toBe('');
        }
      },
    ),
    { numRuns: RUNS, seed: 3 },
  );
});
