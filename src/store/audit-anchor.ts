import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../core/clock.js';
import { isFault } from '../core/fault.js';
import type { Tenant } from '../tenancy/tenant.js';
import { faultOf, run } from './database.js';
import type { AnchoredEnd } from './verify-report.js';

/**
 * How far before the last anchor an end may have been dated and still not be in it: its time is taken when a
 * transaction begins, and it is seen when that commits.
 */
const OVERLAP_MS = 10 * 60_000;
/** Version of the audit key that anchors are signed under which do not say. */
const FIRST_KEY_VERSION = 1;

export interface AuditAnchorSettings {
  /** Folder of the anchor files, one a tenant; outside the database, best on a disk that can only be appended to. */
  readonly directory: string;
  readonly clock: Clock;
}

export interface Anchors {
  readonly ends: readonly AnchoredEnd[];
  /** What is wrong with the file itself: a line altered, added or cut off. */
  readonly broken: readonly string[];
}

/** Keeps the ends of the audit chain outside the database, so that rows cut off at an end are missed. */
export interface AuditAnchors {
  /** Appends the ends that moved since the last anchor; false where none did, or another process is at it. */
  anchor(tenant: Tenant): Promise<boolean>;
  /** Every anchor of a tenant, checked. No file is no anchor, and broken only if one was ever written. */
  read(tenant: Tenant): Promise<Anchors>;
}

/** A line of the file. */
interface Line {
  readonly at: number;
  /** part, strand, seq, place in base64 */
  readonly ends: readonly (readonly [number, number, number, string])[];
  /** `mac` of the line before; empty in the first. */
  readonly before: string;
  /** Version of the audit key it is signed under; the first where absent. */
  readonly kv?: number;
  readonly mac: string;
}

export function createAuditAnchors({ directory, clock }: AuditAnchorSettings): AuditAnchors {
  const fileOf = (tenant: Tenant) => join(directory, `${tenant.record.id}.jsonl`);

  async function anchorNow(tenant: Tenant): Promise<boolean> {
    const client = await tenant.pool.connect();
    let broken: Error | undefined;
    try {
      await client.query('begin');
      const [lock] = await run<{ had: boolean }>(
        client,
        'select pg_try_advisory_xact_lock($1::bigint) as had',
        [tenant.keys.digest('audit anchor')],
      );
      if (!lock?.had) {
        await client.query('rollback');
        return false;
      }
      const [last] = await run<{ at: bigint; mac: Buffer }>(
        client,
        'select at, mac from audit_anchor where part = 0',
      );
      const rows = await run<{ part: number; strand: number; seq: bigint; chain: Buffer; at: bigint }>(
        client,
        'select part, strand, seq, chain, at from audit_head where at >= $1 order by part, strand',
        [last ? Number(last.at) - OVERLAP_MS : 0],
      );
      if (rows.length === 0 || (last && rows.every((row) => row.at < last.at))) {
        await client.query('rollback');
        return false;
      }
      const unsigned = {
        at: clock.now(),
        ends: rows.map((r) => [r.part, r.strand, Number(r.seq), r.chain.toString('base64')] as const),
        before: last ? last.mac.toString('base64') : '',
        kv: tenant.keys.auditVersion,
      };
      const mac = macOf(tenant, unsigned);
      await append(fileOf(tenant), `${JSON.stringify({ ...unsigned, mac: mac.toString('base64') })}\n`);
      await run(
        client,
        `insert into audit_anchor (part, at, mac) values (0, $1, $2)
         on conflict (part) do update set at = excluded.at, mac = excluded.mac`,
        [unsigned.at, mac],
      );
      await client.query('commit');
      return true;
    } catch (error) {
      broken = error as Error;
      throw faultOf(error);
    } finally {
      client.release(broken);
    }
  }

  async function append(file: string, line: string): Promise<void> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const handle = await open(file, 'a', 0o600);
    try {
      await handle.appendFile(line);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  return {
    anchor: anchorNow,
    async read(tenant) {
      const text = await readFile(fileOf(tenant), 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return '';
        throw error;
      });
      const [last] = await run<{ mac: Buffer }>(
        tenant.pool,
        'select mac from audit_anchor where part = 0',
      ).catch((error: unknown) => {
        throw faultOf(error);
      });
      return check(tenant, text, last?.mac.toString('base64'));
    },
  };
}

function macOf(tenant: Tenant, line: Omit<Line, 'mac'>): Buffer {
  const { at, ends, before, kv = FIRST_KEY_VERSION } = line;
  return tenant.keys.auditMac(kv, Buffer.from(`anchor ${JSON.stringify([at, ends, before])}`, 'utf8'));
}

/**
 * A line may stand in the file without the database knowing of it, where a process ended between the two; the next
 * anchor then follows the one before, so a line is good if it follows any line before it.
 */
function check(tenant: Tenant, text: string, last: string | undefined): Anchors {
  const ends: AnchoredEnd[] = [];
  const broken: string[] = [];
  const seen = new Set(['']);
  text.split('\n').forEach((raw, i) => {
    if (raw === '') return;
    const line = parse(raw);
    if (!line || signatureOf(tenant, line) !== line.mac || !seen.has(line.before)) {
      broken.push(`audit anchor ${i + 1}`);
      return;
    }
    seen.add(line.mac);
    for (const [part, strand, seq, chain] of line.ends) ends.push({ part, strand, seq, chain, at: line.at });
  });
  if (last !== undefined && !seen.has(last)) broken.push('audit anchor: the last one is missing');
  return { ends, broken };
}

/** Undefined where the line names a version of the key that there is not. */
function signatureOf(tenant: Tenant, line: Line): string | undefined {
  try {
    return macOf(tenant, line).toString('base64');
  } catch (error) {
    if (isFault(error) && error.category === 'integrity') return undefined;
    throw error;
  }
}

function parse(raw: string): Line | undefined {
  try {
    const line = JSON.parse(raw) as Line;
    return Array.isArray(line.ends) && typeof line.mac === 'string' ? line : undefined;
  } catch {
    return undefined;
  }
}
