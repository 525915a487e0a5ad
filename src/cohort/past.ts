import { Fault } from '../core/fault.js';
import type { StoredResource } from '../core/resource.js';
import { openBodies } from '../store/bodies.js';
import { resourceOf } from '../store/content.js';
import { faultOf } from '../store/database.js';
import type { Tenant } from '../tenancy/tenant.js';

/** Resources of one type that may have changed since the moment asked for: each is opened and looked at. */
export const MAX_CHANGED_SINCE = 500_000;
/** Versions opened at a time. */
const BATCH = 2_000;

/**
 * The version that was current at a moment, of each resource whose current version is younger than it; none where it
 * did not exist then or was deleted. A version may lie in a part that its resource has left.
 */
const STATEMENT = `
  select r.rid as after, v.part, v.rid, v.ver, v.sid, v.slot, v.op
  from resource r join locator l on l.rtype = r.rtype and l.rid = r.rid
  left join lateral (
    select w.part, w.rid, w.ver, w.sid, w.slot, w.op from version w
     where w.part = any (l.part || coalesce(l.former, '{}')) and w.rtype = r.rtype and w.rid = r.rid and w.lu <= $2
     order by w.ver desc limit 1
  ) v on true
  where r.rtype = $1 and r.lu > $2 and ($3::bigint is null or r.rid > $3)
  order by r.rid limit ${BATCH}`;

const DELETED = 2;

/** Versions of then, of what has changed since, in batches. @throws Fault `too-large` beyond MAX_CHANGED_SINCE */
export async function* versionsChangedSince(
  tenant: Tenant,
  rtype: number,
  moment: number,
): AsyncGenerator<StoredResource[]> {
  let after: bigint | null = null;
  for (let seen = 0; ; seen += BATCH) {
    if (seen > MAX_CHANGED_SINCE)
      throw new Fault('too-large', 'Too much has changed since then.', {
        at: 'asOf',
        remedy: 'Ask for a later moment.',
      });
    const found: StoredResource[] = [];
    let more = false;
    try {
      const { rows }: { rows: Record<string, unknown>[] } = await tenant.pool.query(STATEMENT, [
        rtype,
        moment,
        after,
      ]);
      more = rows.length === BATCH;
      after = rows.length > 0 ? BigInt(String(rows.at(-1)!.after)) : after;
      const places = rows
        .filter((row) => row.sid !== null && Number(row.op) !== DELETED)
        .map((row) => ({
          part: Number(row.part),
          rid: BigInt(String(row.rid)),
          ver: Number(row.ver),
          sid: BigInt(String(row.sid)),
          slot: Number(row.slot),
        }));
      for (const member of await openBodies(tenant.keys, tenant.pool, places))
        found.push(resourceOf(member, member.content));
    } catch (error) {
      throw faultOf(error);
    }
    if (found.length > 0) yield found;
    if (!more) return;
  }
}
