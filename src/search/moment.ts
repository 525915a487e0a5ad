import { Fault } from '../core/fault.js';
import type { Reader } from './reader.js';
import type { Binder } from './render.js';

/**
 * The moment of a result's first page, which its links carry: pages in an order that writers can change are pages of
 * the order as it was then. It is PostgreSQL's own snapshot, since a write gets its time before it commits: two writes
 * may come to be seen in another order than that of their times.
 */
export interface Moment {
  /** `pg_current_snapshot()` as text: which transactions were seen. */
  readonly snapshot: string;
  /** ms since the epoch: no write that was not seen then has a time up to this one. */
  readonly floor: number;
  /** ms since the epoch, well after the moment: no write that was seen then has a later time. */
  readonly ceiling: number;
}

const CEILING_MS = 5 * 60_000;

/** What a moment that is taken from now on may rely on. To be asked for before the snapshot is. */
export async function lookAround(reader: Reader): Promise<Omit<Moment, 'snapshot'>> {
  const ceiling = Date.now() + CEILING_MS;
  return { floor: await reader.settled(), ceiling };
}

/** The moment now. */
export async function momentNow(reader: Reader): Promise<Moment> {
  const bounds = await lookAround(reader);
  const [row] = await reader.query({ text: 'select pg_current_snapshot()::text as moment', values: [] });
  return { ...bounds, snapshot: String(row!.moment) };
}

const XID_BITS = 32n;

/**
 * SQL: whether the transaction in `xmin` of the alias was seen at the moment. Transaction numbers of rows have 32 bits
 * and go round, so this is to be asked of rows that were written lately, which is what `floor` is for.
 * @throws Fault `invalid` for a snapshot that is none
 */
export function seenThen(alias: string, { snapshot }: Moment, bind: Binder): string {
  const match = /^\d+:(\d+):((?:\d+(?:,\d+)*)?)$/.exec(snapshot);
  if (!match) throw new Fault('invalid', 'This page link is not one of this search.', { at: '_cursor' });
  const low = (xid: string) => BigInt.asUintN(Number(XID_BITS), BigInt(xid));
  const xid = `${alias}.xmin::text::bigint`;
  const before = `((${xid} - ${bind.bigint(low(match[1]!))}) & 4294967295) >= 2147483648`;
  const running = match[2] === '' ? [] : match[2]!.split(',').map(low);
  return running.length === 0 ? `(${before})` : `(${before} and ${xid} <> all(${bind.bigints(running)}))`;
}

/** SQL: whether the row of `resource` is as it was at the moment; also false for some that are, and were written lately. */
export function unchangedSince(alias: string, moment: Moment, bind: Binder): string {
  return `(${alias}.lu <= ${bind.bigint(moment.floor)} or ${seenThen(alias, moment, bind)})`;
}

/** SQL subquery: the version that a row of `resource` had at the moment, no row where it had none or was deleted. */
export function versionThen(r: string, moment: Moment, bind: Binder): string {
  return (
    '(select w.* from (select v.part, v.ver, v.lu, v.op, v.sid, v.slot from locator l join version v' +
    " on v.part = any(l.part || coalesce(l.former, '{}')) and v.rtype = l.rtype and v.rid = l.rid" +
    ` where l.rtype = ${r}.rtype and l.rid = ${r}.rid and ${unchangedSince('v', moment, bind)}` +
    ' order by v.ver desc limit 1) w where w.op <> 2)'
  );
}
