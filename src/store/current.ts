import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { COPY_END, COPY_HEAD, CopyBytes } from './copy-bytes.js';
import { intArray, type Queryable, run } from './database.js';
import { COPY_FROM_WRITES, type PreparedWrite } from './prepare.js';

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

interface LocatorKey {
  rtype: number;
  rid: bigint;
}

interface LocatorRow extends LocatorKey {
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
 * Claims the ids that are new and locks the others, both in the order (rtype, rid), in a transaction; nobody locks an existing row before
 * it has claimed its new ones, so two writers never wait for each other. Gives what stands there, by `rowKey`; ids
 * without an entry are this transaction's from now on.
 *
 * The lock and the read are two statements: at READ COMMITTED a row that was waited for is read anew, but a row
 * joined to it would still be the one of before the wait.
 */
export async function lockCurrent(
  db: pg.ClientBase,
  writes: readonly PreparedWrite[],
): Promise<Map<string, Current>> {
  const inOrder = inLockOrder(writes);
  const claims = inOrder.filter((w) => w.body);
  const there = await claim(db, claims);
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

/** Ids asked for to see whether a batch is new. */
const PROBED = 32;

/** Claims the ids that are new, in order; gives the others, by `rowKey`. */
async function claim(db: pg.ClientBase, claims: readonly PreparedWrite[]): Promise<Set<string>> {
  const there = new Set<string>();
  if (claims.length === 0) return there;
  const all = [
    intArray(claims.map((w) => w.rtype)),
    intArray(claims.map((w) => w.rid)),
    intArray(claims.map((w) => w.chk)),
    intArray(claims.map((w) => w.body!.part)),
  ];
  if (claims.length >= COPY_FROM_WRITES && (await seemNew(db, claims)) && (await claimNew(db, claims)))
    return there;
  for (const row of await run<LocatorKey>(db, CLAIM, all, 'store-claim'))
    there.add(rowKey(row.rtype, row.rid));
  return there;
}

/** Whether none of some ids of a batch is there: of a first load none is, of the same again each. */
async function seemNew(db: pg.ClientBase, claims: readonly PreparedWrite[]): Promise<boolean> {
  const step = Math.ceil(claims.length / PROBED);
  const some = claims.filter((_, i) => i % step === 0);
  const rows = await run<LocatorKey>(
    db,
    `select l.rtype, l.rid from locator l join unnest($1::smallint[], $2::bigint[]) as k (rtype, rid)
     on l.rtype = k.rtype and l.rid = k.rid limit 1`,
    [intArray(some.map((w) => w.rtype)), intArray(some.map((w) => w.rid))],
    'store-probe',
  );
  return rows.length === 0;
}

/** Claims ids that seem all new by COPY, for half of what asking about each costs. @returns false where one was there */
async function claimNew(db: pg.ClientBase, claims: readonly PreparedWrite[]): Promise<boolean> {
  const rows = new CopyBytes(claims.length * LOCATOR_BYTES);
  for (const { rtype, rid, chk, body } of claims) {
    rows.columns(4);
    rows.int2(rtype);
    rows.int8(rid);
    rows.int4(chk);
    rows.int4(body!.part);
  }
  await db.query('savepoint claim');
  try {
    const stream = db.query(copyFrom('copy locator (rtype, rid, chk, part) from stdin (format binary)'));
    await pipeline(Readable.from([COPY_HEAD, rows.slice(0, rows.length), COPY_END]), stream);
    await db.query('release savepoint claim');
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== UNIQUE_VIOLATION) throw error;
    await db.query('rollback to savepoint claim');
    return false;
  }
}

const LOCATOR_BYTES = 36;
const UNIQUE_VIOLATION = '23505';

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
