import { expect, test } from 'vitest';
import { streamMatches } from '../../src/search/fill.js';
import { poolReader } from '../../src/search/reader.js';
import type { Store } from '../../src/store/contract.js';
import type { Tenant } from '../../src/tenancy/tenant.js';

test('a search whose time is used up stops before its next batch and says what to do', async () => {
  const reader = poolReader({} as Store, { keys: {} } as Tenant, -1);
  const find = { types: [1], condition: { kind: 'everything' as const }, order: { kind: 'row' as const } };
  const first = streamMatches(reader, find, async () => []).next();
  await expect(first).rejects.toMatchObject({
    category: 'timeout',
    remedy: expect.stringContaining('Narrow it'),
  });
});
