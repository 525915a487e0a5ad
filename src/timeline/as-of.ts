import { Fault } from '../core/fault.js';
import type { StoredResource } from '../core/resource.js';
import { patientsOf } from '../fhir/compartment.js';
import { typeNumber } from '../fhir/resource-types.js';
import { compartmentCondition } from '../search/compile.js';
import type { Position } from '../search/cursor.js';
import { streamRows } from '../search/fill.js';
import { poolReader } from '../search/reader.js';
import { Binder } from '../search/render.js';
import { foundRow } from '../search/statement.js';
import type { Store } from '../store/contract.js';
import { partOf } from '../store/prepare.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { TimelineEvent } from './event.js';
import { eventsOf } from './events.js';
import { foldFacts } from './fold.js';
import type { TimelineQuery, TimelineRequest } from './request.js';

/** Most versions a timeline of the past is made from; it is read as a whole, since the index holds the present only. */
const MAX_PAST_ROWS = 100_000;

/** All events as they would have been at the moment `query.asOf`, told once each, in no order. */
export async function allKnownAt(
  store: Store,
  tenant: Tenant,
  request: TimelineRequest,
  query: TimelineQuery,
  wanted: (event: TimelineEvent) => boolean,
): Promise<TimelineEvent[]> {
  const resources = [
    ...(await ofTheirPart(store, tenant, request, query)),
    ...(await ofSeveralPatients(store, tenant, request, query)),
  ];
  // What an event is about is called as it is called now: a drug's record does not change with a patient's.
  const all = await eventsOf(resources, (keys) => store.readMany(tenant, keys));
  const events = all.filter((e) => e !== undefined).filter((e) => inQuery(e, query));
  return foldFacts(events).filter(wanted);
}

/** The page as it would have been at the moment `query.asOf`: each resource in the version that was current then. */
export async function knownAt(
  store: Store,
  tenant: Tenant,
  request: TimelineRequest,
  query: TimelineQuery,
  from: Position,
  wanted: (event: TimelineEvent) => boolean,
): Promise<{ events: TimelineEvent[]; next: Position | undefined }> {
  const events = await allKnownAt(store, tenant, request, query, wanted);
  const way = query.descending ? -1 : 1;
  const order = (a: TimelineEvent, b: TimelineEvent) =>
    a.at === undefined || b.at === undefined
      ? Number(a.at === undefined) - Number(b.at === undefined) || (keyOf(a) < keyOf(b) ? -1 : 1)
      : (a.at - b.at) * way || (keyOf(a) < keyOf(b) ? -1 : 1);
  const sorted = events.sort(order);
  // Nothing written later changes the past, so the last event given out is still there.
  const start = from.keys.length === 0 ? 0 : sorted.findIndex((e) => keyOf(e) === from.keys[0]) + 1;
  const page = sorted.slice(start, start + query.count);
  const more = sorted.length > start + query.count;
  return { events: page, next: more ? { phase: 0, keys: [keyOf(page.at(-1)!)] } : undefined };
}

function keyOf(event: TimelineEvent): string {
  return `${event.resource.resourceType}/${event.resource.id}`;
}

/** Whether its origin and its time are those asked for. */
export function inQuery(event: TimelineEvent, query: TimelineQuery): boolean {
  if (query.derived !== 'include' && event.derived !== (query.derived === 'only')) return false;
  if (query.from === undefined && query.to === undefined) return true;
  return (
    event.at !== undefined &&
    (query.from === undefined || event.at >= query.from) &&
    (query.to === undefined || event.at <= query.to)
  );
}

/**
 * All versions of a patient's resources stand in the part of the patient. Those that moved there or away later have
 * versions in other parts (`former`), and the newest of all parts counts.
 */
async function ofTheirPart(
  store: Store,
  tenant: Tenant,
  request: TimelineRequest,
  query: TimelineQuery,
): Promise<StoredResource[]> {
  const reader = poolReader(store, tenant);
  const bind = new Binder();
  const part = bind.int(partOf(tenant.keys.rid('Patient', request.patient)));
  const asOf = bind.bigint(query.asOf!);
  const types = bind.smallints(query.types.map(typeNumber));
  const rows = await reader.query({
    text:
      'select * from (select distinct on (v.rtype, v.rid) v.part, v.rtype, v.rid, v.ver, v.sid, v.slot, v.op' +
      ' from version v join locator l on l.rtype = v.rtype and l.rid = v.rid' +
      ` where v.part = ${part} and v.rtype = any(${types}) and v.lu <= ${asOf}` +
      ' and (l.former is null or not exists (select 1 from version w where w.part = any(l.part || l.former)' +
      ` and w.rtype = v.rtype and w.rid = v.rid and w.ver > v.ver and w.lu <= ${asOf}))` +
      ` order by v.rtype, v.rid, v.ver desc) u where u.op <> 2 limit ${bind.int(MAX_PAST_ROWS + 1)}`,
    values: bind.values,
  });
  if (rows.length > MAX_PAST_ROWS)
    throw new Fault(
      'too-large',
      `The timeline of the past would be made from more than ${MAX_PAST_ROWS} resources.`,
      {
        at: 'asOf',
        remedy: 'Name fewer types with _type.',
      },
    );
  const resources = await reader.open(rows.map((r) => foundRow(r, { kind: 'row' }).row));
  // Other patients share the part.
  return resources.filter((r) => {
    const patients = patientsOf(r, request.base);
    return patients.length === 1 && patients[0] === request.patient;
  });
}

/** Resources in several compartments stand in parts of their own and are found by the present index. */
async function ofSeveralPatients(
  store: Store,
  tenant: Tenant,
  request: TimelineRequest,
  query: TimelineQuery,
): Promise<StoredResource[]> {
  const reader = poolReader(store, tenant);
  const compartment = compartmentCondition(request.patient, tenant.keys, {
    blind: tenant.keys.blind,
    base: request.base,
  });
  if (compartment.kind !== 'compartment') return [];
  const found: StoredResource[] = [];
  const find = {
    types: query.types.map(typeNumber).sort((a, b) => a - b),
    condition: { kind: 'terms' as const, all: true, terms: [compartment.shared], anyType: true },
    order: { kind: 'row' as const },
  };
  for await (const rows of streamRows(reader, find)) {
    for (const resource of await reader.open(rows.map((r) => r.row))) {
      const past = await store.history(tenant, resource.resourceType, resource.id, {
        atMs: query.asOf,
        count: 1,
      });
      const version = past?.versions[0]?.resource;
      if (version && patientsOf(version, request.base).includes(request.patient)) found.push(version);
    }
  }
  return found;
}
