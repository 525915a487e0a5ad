import { fixedClock } from '../../src/core/clock.js';
import { isFault } from '../../src/core/fault.js';
import type { Resource } from '../../src/core/resource.js';
import type { Actor, Store, Write } from '../../src/store/contract.js';
import { createStore } from '../../src/store/index.js';
import type { Tenant } from '../../src/tenancy/tenant.js';

export const actor: Actor = { id: 'tester', kind: 'user', requestId: 'r-1' };

export const START_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

export function testStore(): { store: Store; clock: ReturnType<typeof fixedClock> } {
  const clock = fixedClock(START_MS);
  return { store: createStore({ clock, base: 'https://lake.example/fhir' }), clock };
}

export function patient(id: string, more: object = {}): Resource {
  return { resourceType: 'Patient', id, name: [{ family: 'Quillfeather', given: ['Ottoline'] }], ...more };
}

export function observation(id: string, patientId: string, value = 7, more: object = {}): Resource {
  return {
    resourceType: 'Observation',
    id,
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '2339-0' }], text: 'Glucose' },
    subject: { reference: `Patient/${patientId}` },
    effectiveDateTime: '2024-05-06T07:08:09Z',
    valueQuantity: { value, unit: 'mg/dL', system: 'http://unitsofmeasure.org', code: 'mg/dL' },
    ...more,
  };
}

export function note(id: string, patientId: string, text: string, more: object = {}): Resource {
  return {
    resourceType: 'DocumentReference',
    id,
    status: 'current',
    subject: { reference: `Patient/${patientId}` },
    content: [{ attachment: { contentType: 'text/plain', data: Buffer.from(text).toString('base64') } }],
    ...more,
  };
}

export function create(resource: Resource): Write {
  return { op: 'create', type: resource.resourceType, id: resource.id!, resource };
}

export function update(resource: Resource, more: Partial<Write> = {}): Write {
  return { op: 'update', type: resource.resourceType, id: resource.id!, resource, ...more };
}

export function remove(type: string, id: string, more: Partial<Write> = {}): Write {
  return { op: 'delete', type, id, ...more };
}

/** Category and place of the fault a call ends in; `none` when it succeeds. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'none';
  } catch (error) {
    if (!isFault(error)) throw error;
    return error.at ? `${error.category} ${error.at}` : error.category;
  }
}

/** Rows of each table, to compare before and after. */
export async function countRows(tenant: Tenant): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of await tablesOf(tenant)) {
    const { rows } = await tenant.pool.query(`select count(*)::int as n from ${table}`);
    counts[table] = rows[0].n;
  }
  return counts;
}

export async function tablesOf(tenant: Tenant): Promise<string[]> {
  const { rows } = await tenant.pool.query(
    `select table_name from information_schema.tables where table_schema = 'public'
     and table_name not like 'knex%' and table_name not like '%migration%' order by 1`,
  );
  return rows.map((row) => row.table_name);
}
