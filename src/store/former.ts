import type { TenantKeys } from '../tenancy/tenant.js';
import { type BodyPlace, openBodies } from './bodies.js';
import { rowKey } from './current.js';
import { intArray, type Queryable, run } from './database.js';
import type { Decision } from './decide.js';

/** Earlier versions that are looked at, the newest first. */
const VERSIONS_LOOKED_AT = 8;

const EARLIER = `select v.part, v.rtype, v.rid, v.ver, v.sid, v.slot
  from unnest($1::int[], $2::smallint[], $3::bigint[], $4::int[]) as k (part, rtype, rid, ver)
  join version v on v.part = k.part and v.rtype = k.rtype and v.rid = k.rid
    and v.ver < k.ver and v.ver >= k.ver - ${VERSIONS_LOOKED_AT} and v.op <> 2`;

/** Updates that ask for it and whose content is that of an earlier version are left undone; see `Write.holdFormer`. */
export async function holdFormer(
  keys: TenantKeys,
  db: Queryable,
  decisions: readonly Decision[],
): Promise<readonly Decision[]> {
  const asked = decisions.filter(({ write, outcome }) => write.holdFormer && outcome === 'updated');
  if (asked.length === 0) return decisions;
  const rows = await run<BodyPlace & { rtype: number }>(
    db,
    EARLIER,
    [
      intArray(asked.map((d) => d.current!.part)),
      intArray(asked.map((d) => d.write.rtype)),
      intArray(asked.map((d) => d.write.rid)),
      intArray(asked.map((d) => d.current!.ver)),
    ],
    'store-former',
  );
  const digests = new Map<string, Set<bigint>>();
  (await openBodies(keys, db, rows)).forEach(({ content }, i) => {
    const key = rowKey(rows[i]!.rtype, rows[i]!.rid);
    digests.set(key, (digests.get(key) ?? new Set()).add(keys.digest(content)));
  });
  if (digests.size === 0) return decisions;
  return decisions.map((d) => {
    const { write, outcome, current } = d;
    if (!write.holdFormer || outcome !== 'updated' || !write.body) return d;
    if (!digests.get(rowKey(write.rtype, write.rid))?.has(write.body.digest)) return d;
    return {
      write,
      outcome: 'unchanged',
      version: current!.ver,
      lastUpdated: current!.lu,
      current,
      former: true,
    };
  });
}
