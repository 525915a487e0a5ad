import { isResourceType, typeNumber } from '../fhir/resource-types.js';
import type { Tenant } from '../tenancy/tenant.js';
import { openBodies } from './bodies.js';
import type { ScanOptions } from './contract.js';
import { faultOf, intArray, type Queryable, run } from './database.js';
import { partOf } from './prepare.js';
import type { SegmentMember } from './segment.js';

/** Rows fetched at once: some 2 MB of bodies. Neighbours in a part mostly share their segments. */
const ROWS_PER_BATCH = 2000;

interface ScanRow {
  part: number;
  rtype: number;
  rid: bigint;
  ver: number;
  sid: bigint;
  slot: number;
}

/**
 * Current resources in the order (part, type, rid), a batch at a time, in one snapshot of the database: what is
 * written meanwhile is not seen. Holds one connection until it ends or its consumer stops.
 */
export async function* scanMembers(tenant: Tenant, options: ScanOptions): AsyncGenerator<SegmentMember[]> {
  const client = await tenant.pool.connect().catch((error: unknown) => {
    throw faultOf(error);
  });
  let broken = true;
  try {
    // A consumer may be slower than the pool's limit on idle transactions.
    await client.query(
      'begin isolation level repeatable read read only; set local idle_in_transaction_session_timeout = 0',
    );
    if (options.patients) {
      const rids = options.patients.map((id) => tenant.keys.rid('Patient', id));
      for (const pkey of rids) yield* batches(tenant, client, options, partOf(pkey), partOf(pkey), pkey);
    } else
      yield* batches(tenant, client, options, options.parts?.from ?? 0, options.parts?.to ?? 16383, null);
    await client.query('commit');
    broken = false;
  } catch (error) {
    throw faultOf(error);
  } finally {
    if (broken) {
      // Also reached when the consumer stops early: then the transaction is ended, and the connection is fine.
      broken = await client.query('rollback').then(
        () => false,
        () => true,
      );
    }
    client.release(broken);
  }
}

async function* batches(
  tenant: Tenant,
  db: Queryable,
  options: ScanOptions,
  fromPart: number,
  toPart: number,
  pkey: bigint | null,
): AsyncGenerator<SegmentMember[]> {
  const types = options.types?.filter(isResourceType).map(typeNumber);
  let after: [part: number, rtype: number, rid: bigint] = [fromPart, -1, 0n];
  for (;;) {
    const rows = await run<ScanRow>(
      db,
      `select part, rtype, rid, ver, sid, slot from resource
       where (part, rtype, rid) > ($1, $2, $3) and part <= $4 and not deleted
         and ($5::bigint is null or pkey = $5) and ($6::smallint[] is null or rtype = any ($6))
         and ($7::bigint is null or lu >= $7)
       order by part, rtype, rid limit ${ROWS_PER_BATCH}`,
      [...after, toPart, pkey, types ? intArray(types) : null, options.sinceMs ?? null],
      'store-scan',
    );
    if (rows.length === 0) return;
    yield await openBodies(tenant.keys, db, rows);
    if (rows.length < ROWS_PER_BATCH) return;
    const last = rows[rows.length - 1]!;
    after = [last.part, last.rtype, last.rid];
  }
}
