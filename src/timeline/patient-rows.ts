import { Fault } from '../core/fault.js';
import { compartmentCondition } from '../search/compile.js';
import type { Condition } from '../search/condition.js';
import type { Store } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { TimelineRequest } from './request.js';

/** @throws Fault `not-found` | `gone` */
export async function requirePatient(store: Store, tenant: Tenant, id: string): Promise<void> {
  const found = await store.read(tenant, 'Patient', id);
  if (!found) throw new Fault('not-found', 'There is no patient with this id.', { at: 'Patient/{id}' });
  if (!found.resource) throw new Fault('gone', 'The patient was deleted.', { at: 'Patient/{id}' });
}

/** When anything of the tenant was written last, ms. */
export async function newestUpdate(tenant: Tenant): Promise<number> {
  const { rows } = await tenant.pool.query('select max(lu) as lu from resource');
  return Number(rows[0]?.lu ?? 0);
}

/** Rows of the patient’s compartment. */
export function patientCondition(tenant: Tenant, request: TimelineRequest): Condition {
  return compartmentCondition(request.patient, tenant.keys, { blind: tenant.keys.blind, base: request.base });
}
