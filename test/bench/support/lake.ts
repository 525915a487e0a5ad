import type { Actor, Write } from '../../../src/store/contract.js';
import type { System } from '../../../src/system.js';
import type { Tenant } from '../../../src/tenancy/tenant.js';
import { line } from './figure.js';
import { recordsOf } from './records.js';

const actor: Actor = { id: 'bench', kind: 'job' };
const VISITS = 12;
const BATCH = 4_000;

/** The tenant `bench`, filled with made-up records unless it is there already. */
export async function filled(system: System, count: number): Promise<Tenant> {
  if (await system.tenants.find('bench')) return system.tenants.open('bench');
  await system.tenants.create('bench');
  const tenant = await system.tenants.open('bench');
  const from = performance.now();
  let writes: Write[] = [];
  let made = 0;
  for (let patient = 1; made < count; patient++) {
    for (const resource of recordsOf(patient, VISITS))
      writes.push({ op: 'update', type: resource.resourceType, id: resource.id!, resource });
    if (writes.length < BATCH && made + writes.length < count) continue;
    await system.store.commit(tenant, writes, actor);
    made += writes.length;
    writes = [];
  }
  await tenant.pool.query('vacuum analyze');
  line('export', 'records stored before', made / ((performance.now() - from) / 1000), '1/s', `${made}`);
  return tenant;
}
