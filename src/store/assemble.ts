import { isResourceType, typeNumber } from '../fhir/resource-types.js';
import { sortLine } from '../indexing/index.js';
import type { IndexRows } from '../indexing/parameter-type.js';
import type { PatientKey } from '../tenancy/patient-key.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import { sealAudit } from './audit.js';
import { BULK_TABLES, type BulkRows } from './bulk-rows.js';
import type { Actor } from './contract.js';
import { CopyBytes } from './copy-bytes.js';
import type { Decision } from './decide.js';
import { WITHDRAWN } from './document-state.js';
import { ownerOf } from './patient-keys.js';
import type { BulkPlace, PreparedBody } from './prepare.js';
import { RowSet, TABLES } from './row-set.js';
import { type SealedMember, sealSegment } from './segment.js';
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
  const sent = new Sent(decisions.length);
  for (let i = 0; i < decisions.length; i++) {
    const decision = decisions[i]!;
    if (decision.outcome !== 'unchanged') addRows(keys, decision, places[i], now, rows, sent);
  }
  sent.addTo(rows);
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
    let members: SealedMember[] = [];
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
      const body = write.body!;
      if (
        members.length > 0 &&
        (members.length === SEGMENT_MAX_MEMBERS || units + body.units > SEGMENT_MAX_UNITS)
      )
        close();
      places[i] = { sid, slot: members.length };
      members.push({
        type: write.type,
        id: write.id,
        version,
        lastUpdated,
        content: body.content,
        units: body.units,
        sortLine: body.sortLine ?? sortLine(body.resource!),
      });
      units += body.units;
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
  sent: Sent,
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
  if (write.type === 'DocumentReference')
    rows.add('annotation', part, rid, version, body?.state ?? WITHDRAWN, 0, 0, now);
  if (body?.bulk) {
    sent.add(decision, body, body.bulk, { sid, slot });
    return;
  }
  rows.values.version.push(part, rtype, rid, version, lastUpdated, OPS[write.op], sid, slot);
  const { resource } = rows.values;
  if (!body) {
    resource.push(part, rtype, rid, version, lastUpdated, true, false, null, null, 0n, sid, slot, [], []);
    return;
  }
  const { derived, pkey, digest, at, rows: index } = body;
  const { terms, sorted } = index;
  resource.push(part, rtype, rid, version, lastUpdated, false, derived, pkey, at, digest, sid, slot);
  resource.push(terms, sorted);
  addIndexRows(keys, part, rtype, rid, index, rows);
}

/** Bytes of a row of `version`, and of `resource` without its arrays, at most. */
const VERSION_BYTES = 80;
const RESOURCE_BYTES = 120;

/** The rows of a bulk write, in the form of COPY from the start. */
class Sent {
  private readonly resources: number;
  private version: CopyBytes | undefined;
  private resource: CopyBytes | undefined;
  /** The numbers of the resources that are written, of each set of index rows. */
  private readonly numbers = new Map<BulkRows, number[]>();

  constructor(resources: number) {
    this.resources = resources;
  }

  add(decision: Decision, body: PreparedBody, { rows: bulk, n }: BulkPlace, { sid, slot }: Place): void {
    const { write, version, lastUpdated } = decision;
    const { part, pkey, at } = body;
    const { rtype, rid } = write;
    this.version ??= new CopyBytes(VERSION_BYTES * this.resources);
    const v = this.version;
    v.room(VERSION_BYTES);
    v.columns(TABLES.version.columns.length);
    v.key(part, rtype, rid);
    v.int4(version);
    v.whole(lastUpdated);
    v.int2(OPS[write.op]);
    v.int8(sid);
    v.int2(slot);
    const terms = bulk.terms(n);
    this.resource ??= new CopyBytes((RESOURCE_BYTES + terms.length) * this.resources);
    const r = this.resource;
    r.room(RESOURCE_BYTES + terms.length);
    r.columns(TABLES.resource.columns.length);
    r.key(part, rtype, rid);
    r.int4(version);
    r.whole(lastUpdated);
    r.bool(false);
    r.bool(body.derived);
    if (pkey === null) r.null();
    else r.int8(pkey);
    if (at === null) r.null();
    else r.whole(at);
    r.int8(body.digest);
    r.int8(sid);
    r.int2(slot);
    r.put(terms);
    const numbers = this.numbers.get(bulk);
    if (numbers) numbers.push(n);
    else this.numbers.set(bulk, [n]);
  }

  addTo(rows: RowSet): void {
    if (!this.version || !this.resource) return;
    rows.bulk.version = [this.version.slice(0, this.version.length)];
    rows.bulk.resource = [this.resource.slice(0, this.resource.length)];
    BULK_TABLES.forEach((table, at) => {
      rows.bulk[table] = [...this.numbers].flatMap(([bulk, numbers]) => bulk.pieces(at, numbers));
    });
  }
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
