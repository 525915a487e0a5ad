import { createHash } from 'node:crypto';
import type { Resource, StoredResource } from '../core/resource.js';
import { isResourceType, typeNumber } from '../fhir/resource-types.js';
import type { Tenant } from '../tenancy/tenant.js';
import { openOne, type RowWithBody } from './bodies.js';
import { resourceOf } from './content.js';
import type { VersionRead, WriteOp } from './contract.js';
import { type Queryable, run } from './database.js';
import { ownKeyOf } from './patient-keys.js';
import { readMany } from './read.js';
import type { SegmentMember } from './segment.js';
import type { Letter, Visibility } from './visible.js';

/**
 * Reads by id for callers who see a part of the tenant. How long an answer takes must not tell an id that is hidden from
 * one that never was, so both do the same work: the statement that looks for an id finds the row next to it in the order
 * of hashed ids where there is none, judges it as it would judge the row itself, and fetches no body that is not shown.
 * What is known of a body alone (the state before a deletion, an older version) is opened and judged; where there is
 * nothing of the kind, the body of the next row is opened, judged, and forgotten.
 */

const OPS: readonly WriteOp[] = ['create', 'update', 'delete'];

export interface ResourceKey {
  readonly rtype: number;
  readonly rid: bigint;
}

/** The first rows from a key on, in the order of keys and around its end: `$1` is the type, `$2` the rid. */
export const nearest = (count: number) => `
  (select l.part, l.rtype, l.rid from locator l where (l.rtype, l.rid) >= ($1::smallint, $2::bigint)
     order by l.rtype, l.rid limit ${count})
  union all (select l.part, l.rtype, l.rid from locator l order by l.rtype, l.rid limit ${count})
  limit ${count}`;

interface FoundRow extends RowWithBody, ResourceKey {
  readonly own: boolean;
  readonly deleted: boolean;
  readonly op: number;
  readonly shown: boolean;
}

interface Found {
  /** The row of the id itself; undefined where there is none. */
  readonly own: FoundRow | undefined;
  /** The row that stands behind it, or behind where it would stand; undefined in an empty tenant. */
  readonly next: ResourceKey | undefined;
}

/** Whoever reads, where: the whole tenant, and what one caller sees of it. */
export interface SeenIn {
  readonly raw: Tenant;
  readonly db: Queryable;
  readonly visibility: Visibility;
  /** A resource is shown to whom one of these is allowed. */
  readonly letters: readonly Letter[];
}

async function find({ db, visibility, letters }: SeenIn, key: ResourceKey): Promise<Found> {
  const values: unknown[] = [key.rtype, key.rid];
  const shown = visibility.reach(letters, { values });
  // `case` has the row judged whether or not it is the one that was asked for.
  const text = `with near as materialized (${nearest(2)}),
    judged as materialized (select r.part, r.rtype, r.rid, r.ver, r.sid, r.slot, r.deleted,
      r.rtype = $1::smallint and r.rid = $2::bigint as own,
      case when ${shown} then not r.deleted and r.rtype = $1::smallint and r.rid = $2::bigint else false end as shown
      from near join resource r on r.part = near.part and r.rtype = near.rtype and r.rid = near.rid)
    select r.*, v.op, s.bind, s.sealed, s.owner, pk.wv, pk.wrapped from judged r
    join version v on v.part = r.part and v.rtype = r.rtype and v.rid = r.rid and v.ver = r.ver
    left join segment s on r.shown and s.part = r.part and s.sid = r.sid ${ownKeyOf('s')}`;
  const rows = await run<FoundRow>(db, text, values, nameOf(text));
  return { own: rows.find((row) => row.own), next: rows.find((row) => !row.own) ?? rows[0] };
}

/** Statements by the forms of scopes that were met; a form more than these is not prepared. */
const names = new Map<string, string>();
const MAX_NAMES = 200;

function nameOf(text: string): string | undefined {
  let name = names.get(text);
  if (name === undefined && names.size < MAX_NAMES) {
    name = `store-seen ${createHash('sha256').update(text).digest('base64url').slice(0, 22)}`;
    names.set(text, name);
  }
  return name;
}

/** A version, and the state by which it is judged: of a deletion, what was deleted. */
const STATE = `select a.op, a.lu, a.ver as version, v.part, v.rid, v.ver, v.sid, v.slot,
    s.bind, s.sealed, s.owner, pk.wv, pk.wrapped from locator l
  join resource r on r.part = l.part and r.rtype = l.rtype and r.rid = l.rid
  join version a on a.part = any (l.part || coalesce(l.former, '{}')) and a.rtype = l.rtype and a.rid = l.rid
    and a.ver = coalesce($3::int, r.ver)
  join version v on v.part = any (l.part || coalesce(l.former, '{}')) and v.rtype = l.rtype and v.rid = l.rid
    and v.ver = case when a.op = 2 then a.ver - 1 else a.ver end
  left join segment s on s.part = v.part and s.sid = v.sid ${ownKeyOf('s')}
  where l.rtype = $1 and l.rid = $2`;

interface StateRow extends RowWithBody {
  readonly op: number;
  readonly lu: bigint;
  readonly version: number;
}

interface State {
  readonly row: StateRow;
  readonly member: SegmentMember;
  readonly shown: boolean;
}

/** Opens and judges a version, the current one where none is named. */
export async function judge(
  seen: SeenIn,
  key: ResourceKey,
  version: number | null,
): Promise<State | undefined> {
  const [row] = await run<StateRow>(seen.db, STATE, [key.rtype, key.rid, version], 'store-state');
  if (!row) return undefined;
  const member = openOne(seen.raw, row);
  return { row, member, shown: allowed(seen, resourceOf(member, member.content)) };
}

export function allowed({ visibility, letters }: SeenIn, resource: Resource): boolean {
  return letters.some((letter) => visibility.allows(letter, resource));
}

/** Does what reading a body takes, for an answer that says that there is nothing. */
async function nothing(seen: SeenIn, next: ResourceKey | undefined): Promise<undefined> {
  try {
    if (next) await judge(seen, next, null);
  } catch {
    // That another's body is damaged is no matter of this caller's.
  }
  return undefined;
}

const isName = (member: SegmentMember, type: string, id: string) => member.type === type && member.id === id;

/**
 * The current version, or a version by its number, where the caller sees it; what is hidden is not there.
 * @throws Fault `integrity` where a body that is shown does not open
 */
export async function readSeen(
  seen: SeenIn,
  type: string,
  id: string,
  version?: number,
): Promise<VersionRead | undefined> {
  if (!isResourceType(type)) return undefined;
  if (version !== undefined && (!Number.isInteger(version) || version < 1 || version > 0x7fffffff))
    return undefined;
  const key = { rtype: typeNumber(type), rid: seen.raw.keys.rid(type, id) };
  const { own, next } = await find(seen, key);
  if (own?.shown && (version ?? own.ver) === own.ver) {
    const member = openOne(seen.raw, own);
    const resource = resourceOf(member, member.content);
    if (!isName(member, type, id) || !allowed(seen, resource)) return nothing(seen, next);
    const { ver, op } = own;
    return { type, id, version: ver, lastUpdated: member.lastUpdated, op: OPS[op]!, resource };
  }
  const asked = version ?? own?.ver;
  // What the index says of the current state needs no second look.
  if (!own || asked! > own.ver || (asked === own.ver && !own.deleted)) return nothing(seen, next);
  const state = await judge(seen, key, asked!);
  if (!state?.shown || !isName(state.member, type, id)) return undefined;
  const { row, member } = state;
  const head = { type, id, version: row.version, lastUpdated: Number(row.lu), op: OPS[row.op]! };
  if (row.op === 2) return { ...head, resource: undefined };
  return { ...head, lastUpdated: member.lastUpdated, resource: resourceOf(member, member.content) };
}

/** As `Store.readMany`: bodies of rows that may be shown are opened, no others. */
export async function readManySeen(
  seen: SeenIn,
  asked: readonly { type: string; id: string }[],
): Promise<(StoredResource | undefined)[]> {
  const { visibility, letters } = seen;
  const shown = ({ values }: { values: unknown[] }) => visibility.reach(letters, { values });
  const found = await readMany(seen.raw, seen.db, asked, shown);
  return found.map((resource) => (resource && allowed(seen, resource) ? resource : undefined));
}
