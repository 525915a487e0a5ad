import type pg from 'pg';
import type { Tenant } from '../tenancy/tenant.js';
import { ACCESS_PART, auditMac, openAudit } from './audit.js';
import { placeAfter } from './audit-chain.js';
import { run } from './database.js';
import type { AnchoredEnd } from './verify-report.js';

/** Rows fetched together; an entry of a bulk load may have some hundred kB. */
const ROWS_PER_FETCH = 500;

export interface ChainReport {
  /** Audit rows looked at, of all parts. */
  readonly rows: number;
  readonly strands: number;
  /** The first break of each broken strand, as a place. */
  readonly broken: readonly string[];
}

interface Row {
  part: number;
  at: bigint;
  aid: string;
  kv: number;
  sealed: Buffer;
  strand: number | null;
  seq: bigint | null;
  chain: Buffer | null;
}

interface Strand {
  readonly name: string;
  seq: number;
  chain: Buffer | undefined;
  broken: boolean;
}

/**
 * Follows every strand of the audit chain from its first row to its end: each row must open, stand one after the row
 * before it, and be what its place says; the end must be what the table of ends says, and each anchored end must still
 * be on it. Rows that have no place were written before there were chains, or were put there past them: the second is
 * told by their time.
 */
export async function verifyAuditChain(
  tenant: Tenant,
  client: pg.ClientBase,
  anchors: readonly AnchoredEnd[],
  signal?: AbortSignal,
): Promise<ChainReport> {
  const broken: string[] = [];
  const anchored = new Map<string, Map<number, string>>();
  for (const { part, strand, seq, chain } of anchors) {
    const name = `${part}/${strand}`;
    const known = anchored.get(name) ?? new Map<number, string>();
    anchored.set(name, known.set(seq, chain));
  }
  const ends = new Map<string, { seq: bigint; chain: Buffer }>(
    (
      await run<{ part: number; strand: number; seq: bigint; chain: Buffer }>(
        client,
        'select part, strand, seq, chain from audit_head',
      )
    ).map((end) => [`${end.part}/${end.strand}`, end] as const),
  );
  const [began] = await run<{ at: bigint | null }>(
    client,
    'select min(at) as at from audit where seq is not null',
  );
  let rows = 0;
  let strands = 0;
  let now: Strand | undefined;

  const breakAt = (strand: Strand, seq: number, why: string) => {
    if (strand.broken) return;
    strand.broken = true;
    broken.push(`audit strand ${strand.name} row ${seq}: ${why}`);
  };
  const close = (strand: Strand | undefined) => {
    if (!strand) return;
    strands++;
    const end = ends.get(strand.name);
    ends.delete(strand.name);
    if (!end) breakAt(strand, strand.seq, 'its end is not known');
    else if (Number(end.seq) > strand.seq) breakAt(strand, strand.seq + 1, 'is missing');
    else if (Number(end.seq) < strand.seq) breakAt(strand, Number(end.seq) + 1, 'is past the end');
    else if (strand.chain && !end.chain.equals(strand.chain)) breakAt(strand, strand.seq, 'is not the end');
    for (const seq of anchored.get(strand.name)?.keys() ?? [])
      if (seq > strand.seq) breakAt(strand, strand.seq + 1, 'is missing, though it was anchored');
    anchored.delete(strand.name);
  };

  await client.query(
    `declare audit_rows no scroll cursor for
     select part, at, aid, kv, sealed, strand, seq, chain from audit order by part, strand nulls first, seq`,
  );
  for (;;) {
    signal?.throwIfAborted();
    const batch = await run<Row>(client, `fetch ${ROWS_PER_FETCH} from audit_rows`);
    if (batch.length === 0) break;
    for (const row of batch) {
      rows++;
      if (row.strand === null || row.seq === null || row.chain === null) {
        if (began?.at !== null && began !== undefined && row.at > began.at)
          broken.push(`audit ${row.part}/${row.at}/${row.aid}: has no place in the chain`);
        continue;
      }
      const name = `${row.part}/${row.strand}`;
      if (now?.name !== name) {
        close(now);
        now = { name, seq: 0, chain: undefined, broken: false };
      }
      const seq = Number(row.seq);
      if (seq !== now.seq + 1) breakAt(now, now.seq + 1, 'is missing');
      const kept = { ...row, at: Number(row.at) };
      if (!placeAfter(now.chain, auditMac(tenant.keys, kept)).equals(row.chain))
        breakAt(now, seq, 'is not what was written there');
      // Rows of writes are opened where they are held against the versions.
      else if (row.part === ACCESS_PART && !opens(tenant, kept)) breakAt(now, seq, 'does not open');
      const anchor = anchored.get(name)?.get(seq);
      if (anchor !== undefined && anchor !== row.chain.toString('base64'))
        breakAt(now, seq, 'is not what was anchored');
      now.seq = seq;
      now.chain = row.chain;
    }
  }
  close(now);
  await client.query('close audit_rows');
  for (const name of ends.keys()) broken.push(`audit strand ${name} row 1: is missing`);
  for (const name of anchored.keys())
    if (!ends.has(name)) broken.push(`audit strand ${name} row 1: is missing, though it was anchored`);
  return { rows, strands, broken };
}

function opens(tenant: Tenant, row: Parameters<typeof openAudit>[1]): boolean {
  try {
    openAudit(tenant.keys, row);
    return true;
  } catch {
    return false;
  }
}
