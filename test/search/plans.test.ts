import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../src/core/package-root.js';
import { typeNumber } from '../../src/fhir/resource-types.js';
import type { Search } from '../../src/search/search.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { isFullScan, workOf } from '../bench/support/plans.js';
import { otherRecords, probesOf } from '../bench/support/probes.js';
import { recordsOf } from '../bench/support/records.js';
import { type TestSystem, testSystem } from '../support/system.js';

/** As many patients as make each table large enough to be worth an index. */
const PATIENTS = 600;
/** All but these have no records but themselves. */
const WITH_RECORDS = 25;

let system: TestSystem;
let tenant: Tenant;
let search: Search;
let base: string;

// What the probes name: the first patient and one of its encounters.
const first = recordsOf(1, 10);
const idOf = (type: string) => first.find((r) => r.resourceType === type)!.id!;
const PROBES = probesOf({ patient: idOf('Patient'), encounter: idOf('Encounter') });

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'] });
  const rooms = await system.rooms();
  search = rooms.search;
  tenant = await system.tenant('a');
  base = rooms.baseOf(tenant);
  const records = Array.from({ length: PATIENTS }, (_, n) => recordsOf(n + 1, n < WITH_RECORDS ? 10 : 0));
  const patients = records.map((list) => list.find((r) => r.resourceType === 'Patient')!.id!);
  const all = [...records.flat(), ...otherRecords(patients)];
  for (let i = 0; i < all.length; i += 4_000)
    await rooms.store.commit(
      tenant,
      all.slice(i, i + 4_000).map((resource) => ({
        op: 'update',
        type: resource.resourceType,
        id: resource.id!,
        resource,
      })),
      { id: 'test', kind: 'job' },
    );
  await tenant.pool.query('vacuum analyze');
}, 120_000);

afterAll(() => system.close());

async function rowsOf(type: string): Promise<number> {
  const { rows } = await tenant.pool.query(
    'select count(*)::int as n from locator where $1 = 0 or rtype = $1',
    [type === '' ? 0 : typeNumber(type)],
  );
  return (rows[0] as { n: number }).n;
}

describe('no search reads all there is, but those of which the README says so', () => {
  test.each(PROBES.map((p) => [p.name, p.query, p] as const))('%s: %s', async (_name, _query, probe) => {
    const [type = '', query = ''] = probe.query.split(/\?(.*)/s);
    const request = {
      ...(type === '' ? {} : { type }),
      params: [...new URLSearchParams(query)],
      strict: true,
      base,
    };
    const work = await workOf(search, tenant, request);
    if (probe.reads !== 'all')
      expect({ ...work, full: isFullScan(work, await rowsOf(type)) }).toMatchObject({
        whole: [],
        full: false,
      });
  });

  test('each that may is in the list of the README', () => {
    const readme = readFileSync(join(packageRoot(), 'src/search/README.md'), 'utf8');
    const missing = PROBES.filter((p) => p.reads === 'all' && !readme.includes(`| ${p.name} |`));
    expect(missing.map((p) => p.name)).toEqual([]);
  });
});
