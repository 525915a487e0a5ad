import { isResourceType, typeNumber } from '../fhir/resource-types.js';
import type { IndexRows } from '../indexing/parameter-type.js';
import type { PatientKey } from '../tenancy/patient-key.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import { sealAudit } from './audit.js';
import type { Actor } from './contract.js';
import type { Decision } from './decide.js';
import { documentState } from './document-state.js';
import { ownerOf } from './patient-keys.js';
import { RowSet } from './row-set.js';
import { type SegmentMember, sealSegment } from './segment.js';
import { newSegmentId } from './segment-id.js';

/**
 * Versions per segment: a single read opens the whole of one. Sixteen take a fifth less disk and time to compress than
 * eight on the synthetic bundles; the limit below mostly comes first.
 */
const SEGMENT_MAX_MEMBERS = 16;
/**
 * A segment row should stay under 2 KB, so that PostgreSQL keeps it in the page and does not put it into TOAST. How
 * far a body shrinks is only known afterwards; about six times is what the synthetic bundles show.
 */
const SEGMENT_MAX_UNITS = 11_000;

const OPS = { create: 0, update: 1, delete: 2 } as const;

/**
 * Decisions to rows: seals the bodies, and adds version, index, annotation and audit rows.
 * @param own the keys of those whose bodies are sealed under a key of their own besides the tenant's
 */
export function assemble(
  keys: TenantKeys,
  decisions: readonly Decision[],
  actor: Actor,
  now: number,
  own: ReadonlyMap<bigint, PatientKey>,
): RowSet {
  const rows = new RowSet();
  const places = sealBodies(keys, decisions, now, rows, own);
  for (let i = 0; i < decisions.length; i++) {
    const decision = decisions[i]!;
    if (decision.outcome !== 'unchanged') addRows(keys, decision, places[i], now, rows);
  }
  addAudit(keys, decisions, actor, now, rows);
  return rows;
}

interface Place {
  readonly sid: bigint;
  readonly slot: number;
}

/** Puts bodies of one compartment together, in the order they were written. */
function sealBodies(
  keys: TenantKeys,
  decisions: readonly Decision[],
  now: number,
  rows: RowSet,
  own: ReadonlyMap<bigint, PatientKey>,
): (Place | undefined)[] {
  const places: (Place | undefined)[] = new Array(decisions.length).fill(undefined);
  const compartments = new Map<bigint, number[]>();
  for (let i = 0; i < decisions.length; i++) {
    const { write, outcome } = decisions[i]!;
    if (!write.body || outcome === 'unchanged') continue;
    const compartment = write.body.pkey ?? write.rid;
    const list = compartments.get(compartment);
    if (list) list.push(i);
    else compartments.set(compartment, [i]);
  }
  for (const list of compartments.values()) {
    const first = decisions[list[0]!]!.write;
    const { part } = first.body!;
    const owner = ownerOf(first);
    const patient = owner === null ? undefined : own.get(owner);
    let members: SegmentMember[] = [];
    let units = 0;
    let sid = newSegmentId(now);
    const close = () => {
      const s = sealSegment(keys, part, sid, members, patient);
      rows.add('segment', s.part, s.sid, s.kv, s.bind, s.sealed, s.owner);
      members = [];
      units = 0;
      sid = newSegmentId(now);
    };
    for (const i of list) {
      const { write, version, lastUpdated } = decisions[i]!;
      const content = write.body!.content;
      if (
        members.length > 0 &&
        (members.length === SEGMENT_MAX_MEMBERS || units + content.length > SEGMENT_MAX_UNITS)
      )
        close();
      places[i] = { sid, slot: members.length };
      members.push({ type: write.type, id: write.id, version, lastUpdated, content });
      units += content.length;
    }
    if (members.length > 0) close();
  }
  return places;
}

function addRows(
  keys: TenantKeys,
  decision: Decision,
  place: Place | undefined,
  now: number,
  rows: RowSet,
): void {
  const { write, version, lastUpdated, current } = decision;
  const { rtype, rid, body } = write;
  const part = body?.part ?? current!.part;
  if (current) {
    rows.replaced.push(current.part, rtype, rid);
    if (current.part !== part) {
      rows.moved.push(current.part, rtype, rid);
      const former = new Set(current.former ?? []);
      former.add(current.part);
      rows.relocated.push(rtype, rid, part, [...former]);
    }
  } else rows.claimed.push(rtype, rid, write.chk, part);
  const { sid, slot } = place ?? { sid: 0n, slot: 0 };
  rows.values.version.push(part, rtype, rid, version, lastUpdated, OPS[write.op], sid, slot);
  if (write.type === 'DocumentReference')
    rows.add('annotation', part, rid, version, documentState(body?.resource), 0, 0, now);
  const { resource } = rows.values;
  if (!body) {
    resource.push(part, rtype, rid, version, lastUpdated, true, false, null, null, 0n, sid, slot, []);
    return;
  }
  const { terms, at } = body.rows;
  const { derived, pkey, digest } = body;
  const when = at ?? null;
  resource.push(part, rtype, rid, version, lastUpdated, false, derived, pkey, when, digest, sid, slot, terms);
  addIndexRows(keys, part, rtype, rid, body.rows, rows);
}

/** The rows of the index tables for one resource. `cenote verify` recomputes them with the same function. */
export function addIndexRows(
  keys: TenantKeys,
  part: number,
  rtype: number,
  rid: bigint,
  { dates, quantities, references, sorted, at }: IndexRows,
  rows: RowSet,
): void {
  const { date, quantity, reference, sorted: order } = rows.values;
  for (const d of dates) date.push(part, rtype, rid, d.param, d.lo, d.hi);
  for (const q of quantities) quantity.push(part, rtype, rid, q.term, q.unit, q.lo, q.hi);
  for (const r of references) {
    if (!isResourceType(r.targetType)) continue;
    reference.push(part, rtype, rid, r.param, typeNumber(r.targetType), keys.rid(r.targetType, r.targetId));
  }
  if (at !== undefined) for (const term of sorted) order.push(part, rtype, rid, term, at);
}

function addAudit(
  keys: TenantKeys,
  decisions: readonly Decision[],
  actor: Actor,
  now: number,
  rows: RowSet,
): void {
  const byPart = new Map<number, Decision[]>();
  for (const decision of decisions) {
    if (decision.outcome === 'unchanged') continue;
    const part = decision.write.body?.part ?? decision.current!.part;
    const list = byPart.get(part);
    if (list) list.push(decision);
    else byPart.set(part, [decision]);
  }
  for (const [part, list] of byPart) {
    const a = sealAudit(keys, part, now, actor, list);
    rows.add('audit', a.part, a.at, a.aid, a.kv, a.sealed, a.mac);
  }
}
