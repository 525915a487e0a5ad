import { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { typeName } from '../fhir/resource-types.js';
import type { Tenant } from '../tenancy/tenant.js';
import { openBodies } from './bodies.js';
import { resourceOf } from './content.js';
import type { VersionRead, WriteOp } from './contract.js';
import { faultOf, intArray, run } from './database.js';
import type { SegmentMember } from './segment.js';
import { narrowedOf } from './visible.js';

/** Where a page of history ended; bigints as text, as it travels in a sealed cursor. */
export type HistoryPosition = readonly [lu: string, rtype: number, rid: string, ver: number];

export interface TypeHistoryOptions {
  /** Type numbers whose versions are wanted. */
  readonly rtypes: readonly number[];
  /** Versions made at or after this time, ms. */
  readonly sinceMs?: number;
  /** Only the versions that were current at this time, ms. */
  readonly atMs?: number;
  /** Where the period that ends with `atMs` begins: then all that were current at some time of it. */
  readonly atFromMs?: number;
  readonly count: number;
  readonly after?: HistoryPosition;
}

export interface TypeHistoryPage {
  /** Newest first. */
  readonly versions: readonly VersionRead[];
  readonly next: HistoryPosition | undefined;
}

interface Row {
  part: number;
  rtype: number;
  rid: bigint;
  ver: number;
  lu: bigint;
  op: number;
  sid: bigint;
  slot: number;
  before_op: number | null;
  /** Of the version before a deletion, whose body tells the id that the deletion itself does not keep. */
  before_part: number | null;
  before_sid: bigint | null;
  before_slot: number | null;
}

const OPS: readonly WriteOp[] = ['create', 'update', 'delete'];

/** Each type gives its newest versions from its own end of the index; the newest of all are the page. */
const STATEMENT = `
  with page as (
    select v.* from unnest($1::smallint[]) as t (rtype) cross join lateral (
      select part, rtype, rid, ver, lu, op, sid, slot from version
      where rtype = t.rtype
        and ($2::bigint is null or lu >= $2)
        and ($3::bigint is null or lu <= $3 and not exists (
          select from version w join locator l on l.rtype = w.rtype and l.rid = w.rid
          where w.part = any (l.part || coalesce(l.former, '{}')) and w.rtype = version.rtype and w.rid = version.rid
            and w.ver = version.ver + 1 and w.lu <= $9))
        and ($4::bigint is null or lu <= $4)
        and ($4::bigint is null or (lu, rtype, rid, ver) < ($4, $5::smallint, $6::bigint, $7::int))
      order by lu desc, rid desc, ver desc
      limit $8
    ) v
    order by v.lu desc, v.rtype desc, v.rid desc, v.ver desc
    limit $8
  )
  select p.*, b.op as before_op, b.part as before_part, b.sid as before_sid,
    b.slot as before_slot
  from page p left join lateral (
    select w.part, w.sid, w.slot, w.op from locator l join version w
      on w.part = any (l.part || coalesce(l.former, '{}')) and w.rtype = l.rtype and w.rid = l.rid
    where p.op > 0 and p.ver > 1 and l.rtype = p.rtype and l.rid = p.rid and w.ver = p.ver - 1
  ) b on true
  order by p.lu desc, p.rtype desc, p.rid desc, p.ver desc`;

/**
 * Versions of all resources of the types, newest first (R4 http.html#history of a type and of the system). A version
 * that exists while the pages are walked stands on exactly one of them.
 */
export async function typeHistory(tenant: Tenant, options: TypeHistoryOptions): Promise<TypeHistoryPage> {
  const seen = narrowedOf(tenant);
  if (!seen) {
    const { versions, next } = await typeHistoryPage(tenant, options);
    return { versions: versions.map(({ version }) => version), next };
  }
  const { raw, visibility } = seen;
  const found: VersionRead[] = [];
  let last: HistoryPosition | undefined;
  let after = options.after;
  // A page that finds little ends early, with a link to go on: hidden versions must not keep a request busy for ever.
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const count = Math.max(options.count - found.length + 1, LEAST_PAGE);
    const page = await typeHistoryPage(raw, { ...options, count, ...(after ? { after } : {}) });
    for (const { version, state, position } of page.versions) {
      if (!visibility.allows('s', state)) continue;
      // One more than the page holds tells that there is another.
      if (found.length === options.count) return { versions: found, next: last };
      found.push(version);
      last = position;
    }
    after = page.next;
    if (!after) break;
  }
  return { versions: found, next: after };
}

const COUNT = `
  select count(*) as total from version
  where rtype = any ($1::smallint[])
    and ($2::bigint is null or lu >= $2)
    and ($3::bigint is null or lu <= $3 and not exists (
      select from version w join locator l on l.rtype = w.rtype and l.rid = w.rid
      where w.part = any (l.part || coalesce(l.former, '{}')) and w.rtype = version.rtype and w.rid = version.rid
        and w.ver = version.ver + 1 and w.lu <= $4))`;

/**
 * How many versions a history holds (`_summary=count`). Those that a narrowed token may see are looked at one by one.
 * @throws Fault `too-large` where these are too many to look at
 */
export async function countTypeHistory(
  tenant: Tenant,
  options: Omit<TypeHistoryOptions, 'count' | 'after'>,
): Promise<number> {
  if (!narrowedOf(tenant)) {
    const at = options.atMs ?? null;
    const values = [intArray(options.rtypes), options.sinceMs ?? null, at, options.atFromMs ?? at];
    try {
      const [counted] = await run<{ total: bigint }>(tenant.pool, COUNT, values, 'store-type-history-count');
      return Number(counted!.total);
    } catch (error) {
      throw faultOf(error);
    }
  }
  let total = 0;
  let after: HistoryPosition | undefined;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const page = await typeHistory(tenant, {
      ...options,
      count: COUNTED_AT_ONCE,
      ...(after ? { after } : {}),
    });
    total += page.versions.length;
    after = page.next;
    if (!after) return total;
  }
  throw new Fault('too-large', 'There are too many versions to count one by one.', {
    at: '_summary',
    remedy: 'Narrow them with _since, _at or _type.',
    issueCode: 'too-costly',
  });
}

const COUNTED_AT_ONCE = 1_000;

/** Pages looked at to fill one where some versions are hidden. */
const MAX_ROUNDS = 50;
const LEAST_PAGE = 100;

interface JudgedPage {
  /** Each with the state it is judged by: of a deletion, what was deleted. */
  readonly versions: readonly {
    readonly version: VersionRead;
    readonly state: Resource;
    readonly position: HistoryPosition;
  }[];
  readonly next: HistoryPosition | undefined;
}

async function typeHistoryPage(tenant: Tenant, options: TypeHistoryOptions): Promise<JudgedPage> {
  const { sinceMs, atMs, count, after } = options;
  try {
    const rows = await run<Row>(
      tenant.pool,
      STATEMENT,
      [
        intArray(options.rtypes),
        sinceMs ?? null,
        atMs ?? null,
        after?.[0] ?? null,
        after?.[1] ?? null,
        after?.[2] ?? null,
        after?.[3] ?? null,
        count + 1,
        options.atFromMs ?? atMs ?? null,
      ],
      'store-type-history',
    );
    const page = rows.slice(0, count);
    const bodies = await openBodies(
      tenant.keys,
      tenant.pool,
      page.map((row) => (row.op === 2 ? beforeDeletion(row) : row)),
    );
    const last = rows.length > count ? page.at(-1) : undefined;
    return {
      versions: page.map((row, i) => ({
        version: versionOf(row, bodies[i]!),
        state: resourceOf(bodies[i]!, bodies[i]!.content),
        position: [String(row.lu), row.rtype, String(row.rid), row.ver],
      })),
      next: last && [String(last.lu), last.rtype, String(last.rid), last.ver],
    };
  } catch (error) {
    throw faultOf(error);
  }
}

function beforeDeletion(row: Row) {
  return {
    part: row.before_part ?? row.part,
    rid: row.rid,
    ver: row.ver - 1,
    sid: row.before_sid ?? row.sid,
    slot: row.before_slot ?? row.slot,
  };
}

function versionOf(row: Row, member: SegmentMember): VersionRead {
  const head = {
    type: typeName(row.rtype),
    id: member.id,
    version: row.ver,
    lastUpdated: Number(row.lu),
    op: OPS[row.op]!,
    ...(row.before_op === 2 ? { revived: true } : {}),
  };
  return { ...head, resource: row.op === 2 ? undefined : resourceOf(member, member.content) };
}
