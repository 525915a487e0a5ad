import type { Tenant } from '../tenancy/tenant.js';
import type { StoreTransaction } from './contract.js';
import { faultOf, run } from './database.js';

/** Answers to requests with an Idempotency-Key, so that a retry is answered and not done again. */

/** How long an answer is kept, in ms. */
export const KEPT_MS = 24 * 60 * 60_000;
/** One in so many keeps removes what is older; the table holds a day and a little. */
const PURGE_ONE_IN = 64n;
/** Idempotency rows belong to no patient's compartment. */
const PART = 0;

export interface KeptAnswer {
  /** Keyed digest of the request the answer was for. */
  readonly requestDigest: bigint;
  /** The answer as it was kept. */
  readonly text: string;
}

interface Row {
  body_digest: bigint;
  created_at: bigint;
  sealed: Buffer;
}

const SELECT = 'select body_digest, created_at, sealed from idempotency where part = $1 and ikey = $2';

/** The name under which a caller's key is kept and locked: two callers may choose the same key. */
export function idempotencyName(caller: string, key: string): string {
  return `idempotency ${caller.length}:${caller} ${key}`;
}

/** The answer kept under a name, not older than a day; on the transaction's connection where one is given. */
export async function keptAnswer(
  tenant: Tenant,
  name: string,
  now: number,
  tx?: StoreTransaction,
): Promise<KeptAnswer | undefined> {
  const ikey = tenant.keys.digest(name);
  try {
    const rows = tx
      ? ((await tx.query(SELECT, [PART, ikey])).rows as unknown as Row[])
      : await run<Row>(tenant.pool, SELECT, [PART, ikey], 'store-idempotency');
    const [row] = rows;
    if (!row || Number(row.created_at) < now - KEPT_MS) return undefined;
    const text = tenant.keys.open(row.sealed, idempotencyContext(ikey)).toString('utf8');
    return { requestDigest: BigInt(row.body_digest), text };
  } catch (error) {
    throw faultOf(error);
  }
}

/** Keeps an answer in the transaction that did what it tells of: both are there, or neither. */
export async function keepAnswer(
  tenant: Tenant,
  tx: StoreTransaction,
  name: string,
  { requestDigest, text }: KeptAnswer,
  now: number,
): Promise<void> {
  const ikey = tenant.keys.digest(name);
  const sealed = tenant.keys.seal(Buffer.from(text, 'utf8'), idempotencyContext(ikey));
  await tx.query(
    `insert into idempotency (part, ikey, body_digest, created_at, kv, sealed) values ($1, $2, $3, $4, $5, $6)
     on conflict (part, ikey) do update set body_digest = excluded.body_digest, created_at = excluded.created_at,
       kv = excluded.kv, sealed = excluded.sealed`,
    [PART, ikey, requestDigest, now, tenant.keys.currentVersion, sealed],
  );
  if (ikey % PURGE_ONE_IN === 0n) {
    await tx.query('delete from idempotency where part = $1 and created_at < $2', [PART, now - KEPT_MS]);
  }
}

/** What a kept answer is bound to. */
export function idempotencyContext(ikey: bigint) {
  return { purpose: 'job' as const, bind: ['idempotency', ikey] };
}
