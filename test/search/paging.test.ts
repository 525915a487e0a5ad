import { afterAll, beforeAll, expect, test } from 'vitest';
import { fixedClock } from '../../src/core/clock.js';
import type { Resource } from '../../src/core/resource.js';
import type { Search } from '../../src/search/search.js';
import type { Store } from '../../src/store/contract.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type TestSystem, testSystem } from '../support/system.js';

const actor = { id: 'test', kind: 'job' as const };
const clock = fixedClock(Date.parse('2024-01-01T00:00:00Z'));
let system: TestSystem;
let tenant: Tenant;
let store: Store;
let search: Search;
let base: string;

const SIZE = 30;
const procedure = (id: string, code: string, n: number): Resource => ({
  resourceType: 'Procedure',
  id,
  status: 'completed',
  code: { coding: [{ system: 'urn:c', code }], text: `Procedure ${n % 7}` },
  subject: { reference: 'Patient/p' },
  performedDateTime: `20${10 + (n % 10)}-01-01`,
});

async function write(resource: Resource): Promise<void> {
  clock.advance(1000);
  await store.commit(
    tenant,
    [{ op: 'update', type: resource.resourceType, id: resource.id!, resource }],
    actor,
  );
}

beforeAll(async () => {
  system = await testSystem({ tenants: ['a'], clock });
  const rooms = await system.rooms();
  ({ store, search } = rooms);
  tenant = await system.tenant('a');
  base = rooms.baseOf(tenant);
  for (let n = 0; n < SIZE; n++) await write(procedure(`stays${n}`, 'a', n));
});

afterAll(() => system.close());

test.each(['', '&_sort=-_lastUpdated', '&_sort=date', '&_sort=code', '&_sort=-_id'])(
  'each that stays comes once while others write all the time: code=a%s',
  async (sort) => {
    let reading = true;
    const writing = (async () => {
      for (let n = 0; reading; n++) {
        const changed = (n * 7) % SIZE;
        await write({
          ...procedure(`stays${changed}`, 'a', changed),
          code: { coding: [{ system: 'urn:c', code: 'a' }], text: `Written ${(n * 31) % 101} ${sort}` },
        });
        await write(procedure(`busy${n % 20}`, 'a', n));
      }
    })();
    const seen: string[] = [];
    let next: string | undefined = `code=a${sort}&_count=3`;
    while (next !== undefined) {
      const page = await search.search(tenant, {
        type: 'Procedure',
        params: [...new URLSearchParams(next)],
        strict: true,
        base,
      });
      seen.push(...page.entries.map((e) => e.resource.id!));
      next = page.next;
    }
    reading = false;
    await writing;
    const stayed = seen.filter((id) => id.startsWith('stays'));
    expect([...stayed].sort()).toEqual(Array.from({ length: SIZE }, (_, n) => `stays${n}`).sort());
  },
);

test('a resource deleted between two pages is not on the second', async () => {
  for (const id of ['x1', 'x2', 'x3']) await write(procedure(id, 'x', 1));
  const first = await search.search(tenant, {
    type: 'Procedure',
    params: [
      ['code', 'x'],
      ['_count', '1'],
    ],
    strict: true,
    base,
  });
  for (const id of ['x1', 'x2', 'x3'])
    if (id !== first.entries[0]!.resource.id)
      await store.commit(tenant, [{ op: 'delete', type: 'Procedure', id }], actor);
  const second = await search.search(tenant, {
    type: 'Procedure',
    params: [...new URLSearchParams(first.next)],
    strict: true,
    base,
  });
  expect(second.entries).toEqual([]);
  expect(second.next).toBeUndefined();
});
