import { intArray, type Queryable, run } from './database.js';
import type { PreparedWrite } from './prepare.js';

/** What stands in the database for an id, locked until the transaction ends. */
export interface Current {
  readonly part: number;
  readonly former: readonly number[] | null;
  readonly chk: number;
  readonly ver: number;
  readonly lu: number;
  readonly deleted: boolean;
  readonly digest: bigint;
  /** Key of the patient whose compartment it was in. */
  readonly pkey: bigint | null;
}

export function rowKey(rtype: number, rid: bigint): string {
  return `${rtype}/${rid}`;
}

/** Answers with those that were there before: of a first load none, while naming the others costs as much as adding them. */
const CLAIM = `with k as materialized (
    select * from unnest($1::smallint[], $2::bigint[], $3::int[], $4::int[]) as k (rtype, rid, chk, part)),
  claimed as (insert into locator (rtype, rid, chk, part) select * from k order by 1, 2
    on conflict (rtype, rid) do nothing returning rtype, rid)
  select rtype, rid from k where (rtype, rid) not in (select rtype, rid from claimed)`;

/** Writers exclude each other by either lock; only `update`, for deletions, excludes those who write references too. */
const lockStatement = (strength: 'update' | 'no key update') =>
  `select l.rtype, l.rid, l.chk, l.part, l.former from locator l
  join unnest($1::smallint[], $2::bigint[]) as k (rtype, rid) on l.rtype = k.rtype and l.rid = k.rid
  order by l.rtype, l.rid for ${strength} of l`;

const CURRENT = `select r.rtype, r.rid, r.ver, r.lu, r.deleted, r.digest, r.pkey from resource r
  join unnest($1::int[], $2::smallint[], $3::bigint[]) as k (part, rtype, rid)
  on r.part = k.part and r.rtype = k.rtype and r.rid = k.rid`;

const LOOK = `select r.rtype, r.rid, l.chk, l.part, l.former, r.ver, r.lu, r.deleted, r.digest, r.pkey from locator l
  join resource r on r.part = l.part and r.rtype = l.rtype and r.rid = l.rid where l.rtype = $1 and l.rid = $2`;

/** What stands for one id, without a lock: good for a write that compares the version when it swaps it. */
export async function lookAtCurrent(db: Queryable, write: PreparedWrite): Promise<Current | undefined> {
  const [row] = await run<CurrentRow & Omit<LocatorRow, 'rtype' | 'rid'>>(
    db,
    LOOK,
    [write.rtype, write.rid],
    'store-look',
  );
  return row && { ...row, lu: Number(row.lu) };
}

interface LocatorRow {
  rtype: number;
  rid: bigint;
  chk: number;
  part: number;
  former: number[] | null;
}

interface CurrentRow {
  rtype: number;
  rid: bigint;
  ver: number;
  lu: bigint;
  deleted: boolean;
  digest: bigint;
  pkey: bigint | null;
}

/**
 * Claims the ids that are new and locks the others, both in the order (rtype, rid); nobody locks an existing row before
 * it has claimed its new ones, so two writers never wait for each other. Gives what stands there, by `rowKey`; ids
 * without an entry are this transaction's from now on.
 *
 * The lock and the read are two statements: at READ COMMITTED a row that was waited for is read anew, but a row
 * joined to it would still be the one of before the wait.
 */
export async function lockCurrent(
  db: Queryable,
  writes: readonly PreparedWrite[],
): Promise<Map<string, Current>> {
  const inOrder = inLockOrder(writes);
  const claims = inOrder.filter((w) => w.body);
  const there = new Set<string>();
  if (claims.length > 0) {
    const rows = await run<{ rtype: number; rid: bigint }>(
      db,
      CLAIM,
      [
        intArray(claims.map((w) => w.rtype)),
        intArray(claims.map((w) => w.rid)),
        intArray(claims.map((w) => w.chk)),
        intArray(claims.map((w) => w.body!.part)),
      ],
      'store-claim',
    );
    for (const row of rows) there.add(rowKey(row.rtype, row.rid));
  }
  const others = inOrder.filter((w) => !w.body || (there.size > 0 && there.has(rowKey(w.rtype, w.rid))));
  const found = new Map<string, Current>();
  if (others.length === 0) return found;
  const located = new Map<string, LocatorRow>();
  const strength = others.some((w) => w.op === 'delete') ? 'update' : 'no key update';
  const locked = await run<LocatorRow>(
    db,
    lockStatement(strength),
    [intArray(others.map((w) => w.rtype)), intArray(others.map((w) => w.rid))],
    `store-lock ${strength}`,
  );
  if (locked.length === 0) return found;
  for (const row of locked) located.set(rowKey(row.rtype, row.rid), row);
  const rows = await run<CurrentRow>(
    db,
    CURRENT,
    [
      intArray(locked.map((l) => l.part)),
      intArray(locked.map((l) => l.rtype)),
      intArray(locked.map((l) => l.rid)),
    ],
    'store-current',
  );
  for (const row of rows) {
    const key = rowKey(row.rtype, row.rid);
    const l = located.get(key)!;
    found.set(key, {
      part: l.part,
      former: l.former,
      chk: l.chk,
      ver: row.ver,
      lu: Number(row.lu),
      deleted: row.deleted,
      digest: row.digest,
      pkey: row.pkey,
    });
  }
  return found;
}

/** By type and id. Typed arrays are sorted without calling back, which is most of the time where there are thousands. */
function inLockOrder(writes: readonly PreparedWrite[]): PreparedWrite[] {
  const byType = new Map<number, Map<bigint, PreparedWrite>>();
  for (const write of writes) {
    const own = byType.get(write.rtype);
    if (own) own.set(write.rid, write);
    else byType.set(write.rtype, new Map([[write.rid, write]]));
  }
  const inOrder: PreparedWrite[] = [];
  for (const rtype of [...byType.keys()].sort((a, b) => a - b)) {
    const own = byType.get(rtype)!;
    for (const rid of new BigInt64Array(own.keys() as Iterable<bigint>).sort()) inOrder.push(own.get(rid)!);
  }
  return inOrder;
}
