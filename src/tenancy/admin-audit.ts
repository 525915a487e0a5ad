import { createHash, createHmac, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import type { Clock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import { createSecretFile, readSecretFile } from './secret-file.js';

/** One thing an administrator did, or asked for and was refused. It names no patient. */
export interface AdminAct {
  /** Who: subject of the token, or `cli/` and the user of the operating system. */
  readonly subject: string;
  /** What, as `tenant-create`. */
  readonly action: string;
  /** Name of the tenant it concerns, where it does. */
  readonly tenant?: string | undefined;
  /** Id of the client or the job it concerns. */
  readonly target?: string | undefined;
  /** `begun` before something is changed, then how it ended. What only reads has one row, at its end. */
  readonly outcome: 'begun' | 'done' | 'refused' | 'failed';
}

export interface AdminActRow extends AdminAct {
  readonly seq: number;
  /** ms since the epoch. */
  readonly at: number;
}

export interface AdminAuditReport {
  readonly rows: number;
  /** First break, and what is wrong with the anchors, as places. */
  readonly broken: readonly string[];
}

/** The audit chain of administration, of the whole installation: what concerns a tenant stands in the tenant's own too. */
export interface AdminAudit {
  /** Resolves once the row is on the disk. @throws Fault `unavailable` where it cannot be written: then nothing may be done. */
  record(act: AdminAct): Promise<void>;
  /** Newest first. @param before only rows before this place */
  list(count: number, before?: number): Promise<AdminActRow[]>;
  verify(): Promise<AdminAuditReport>;
}

export interface AdminAuditSettings {
  readonly control: pg.Pool;
  readonly clock: Clock;
  /** Of the key that the chain is made with; a key of this process alone where not given. */
  readonly keyFile?: string | undefined;
  /** Folder of the anchors: each end is written there at once, outside the database. */
  readonly anchorDir?: string | undefined;
}

const KEY_BYTES = 32;
const ROWS_PER_FETCH = 1_000;
/** Ends that may not have been anchored yet: the process stopped between the two, or others are about to. */
const UNANCHORED = 32;

interface Row {
  seq: bigint;
  at: bigint;
  entry: string;
  chain: Buffer;
}

export function createAdminAudit({ control, clock, keyFile, anchorDir }: AdminAuditSettings): AdminAudit {
  let key: Buffer | undefined;
  const macOf = (text: string) => {
    key ??= keyFile === undefined ? randomBytes(KEY_BYTES) : openKey(keyFile);
    return createHmac('sha256', key).update(text, 'utf8').digest();
  };
  const placeAfter = (before: Uint8Array, seq: number, at: number, entry: string) =>
    createHash('sha256')
      .update(before)
      .update(macOf(`row ${seq} ${at} ${entry}`))
      .digest();
  const anchorFile = anchorDir === undefined ? undefined : join(anchorDir, 'administration.jsonl');
  const anchorMac = (seq: number, chain: string) => macOf(`anchor ${seq} ${chain}`).toString('base64');

  async function add(entry: string): Promise<{ seq: number; chain: Buffer }> {
    const at = clock.now();
    const client = await control.connect();
    let broken: Error | undefined;
    try {
      await client.query('begin');
      const { rows } = await client.query<{ seq: bigint; chain: Buffer }>(
        'select seq, chain from admin_audit_head for update',
      );
      const seq = Number(rows[0]!.seq) + 1;
      const chain = placeAfter(rows[0]!.chain, seq, at, entry);
      await client.query('insert into admin_audit (seq, at, entry, chain) values ($1, $2, $3, $4)', [
        seq,
        at,
        entry,
        chain,
      ]);
      await client.query('update admin_audit_head set seq = $1, chain = $2', [seq, chain]);
      await client.query('commit');
      return { seq, chain };
    } catch (error) {
      broken = error as Error;
      throw error;
    } finally {
      client.release(broken);
    }
  }

  async function anchor(seq: number, chain: string): Promise<void> {
    if (anchorFile === undefined || anchorDir === undefined) return;
    await mkdir(anchorDir, { recursive: true, mode: 0o700 });
    const handle = await open(anchorFile, 'a', 0o600);
    try {
      await handle.appendFile(`${JSON.stringify({ seq, chain, mac: anchorMac(seq, chain) })}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  /** Places by number; what is wrong with the file. */
  async function anchors(): Promise<{ ends: Map<number, string>; broken: string[] }> {
    const ends = new Map<number, string>();
    const broken: string[] = [];
    if (anchorFile === undefined) return { ends, broken };
    const text = await readFile(anchorFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    text.split('\n').forEach((line, i) => {
      if (line === '') return;
      try {
        const { seq, chain, mac } = JSON.parse(line) as { seq: number; chain: string; mac: string };
        if (mac !== anchorMac(seq, chain)) throw new Error('mac');
        ends.set(seq, chain);
      } catch {
        broken.push(`administration anchor ${i + 1}`);
      }
    });
    return { ends, broken };
  }

  return {
    async record(act) {
      try {
        const { seq, chain } = await add(JSON.stringify(act));
        await anchor(seq, chain.toString('base64'));
      } catch (cause) {
        if (cause instanceof Fault) throw cause;
        throw new Fault('unavailable', 'What administrators do cannot be written down, so it is refused.', {
          remedy: 'Look after the control database and the folder of the audit anchors.',
          log: `administration audit: ${(cause as { code?: string }).code ?? 'not written'}`,
          cause,
        });
      }
    },

    async list(count, before = Number.MAX_SAFE_INTEGER) {
      const { rows } = await control.query<Row>(
        'select seq, at, entry, chain from admin_audit where seq < $1 order by seq desc limit $2',
        [before, count],
      );
      return rows.map(({ seq, at, entry }) => ({
        ...(JSON.parse(entry) as AdminAct),
        seq: Number(seq),
        at: Number(at),
      }));
    },

    async verify() {
      const { ends, broken } = await anchors();
      const client = await control.connect();
      let failed: Error | undefined;
      try {
        // The anchors first: what is in them is in the database then, whatever is added meanwhile.
        await client.query('begin transaction isolation level repeatable read read only');
        return await follow(client, ends, broken);
      } catch (error) {
        failed = error as Error;
        throw error;
      } finally {
        if (!failed) await client.query('rollback');
        client.release(failed);
      }
    },
  };

  async function follow(
    client: pg.ClientBase,
    ends: ReadonlyMap<number, string>,
    broken: string[],
  ): Promise<AdminAuditReport> {
    const { rows: heads } = await client.query<{ seq: bigint; chain: Buffer }>(
      'select seq, chain from admin_audit_head',
    );
    let before: Uint8Array = new Uint8Array();
    let last = 0;
    let place: string | undefined;
    for (;;) {
      const { rows } = await client.query<Row>(
        'select seq, at, entry, chain from admin_audit where seq > $1 order by seq limit $2',
        [last, ROWS_PER_FETCH],
      );
      if (rows.length === 0) break;
      for (const row of rows) {
        const seq = Number(row.seq);
        if (seq !== last + 1) place ??= `administration row ${last + 1}: is missing`;
        if (!placeAfter(before, seq, Number(row.at), row.entry).equals(row.chain))
          place ??= `administration row ${seq}: is not what was written there`;
        const anchored = ends.get(seq);
        if (anchored !== undefined && anchored !== row.chain.toString('base64'))
          place ??= `administration row ${seq}: is not what was anchored`;
        before = row.chain;
        last = seq;
      }
    }
    const head = heads[0];
    const end = head === undefined ? -1 : Number(head.seq);
    const anchoredEnd = Math.max(0, ...ends.keys());
    if (anchoredEnd > last) place ??= `administration row ${last + 1}: is missing, though it was anchored`;
    if (end !== last || !head || !Buffer.from(before).equals(head.chain))
      place ??= `administration row ${last}: is not the end`;
    if (anchorFile !== undefined && last - anchoredEnd > UNANCHORED)
      broken.push('administration anchors: the newest are missing');
    return { rows: last, broken: place === undefined ? broken : [place, ...broken] };
  }
}

function openKey(file: string): Buffer {
  if (!existsSync(file)) createSecretFile(file, `${randomBytes(KEY_BYTES).toString('base64')}\n`);
  const key = Buffer.from(readSecretFile(file).toString('utf8').trim(), 'base64');
  if (key.length !== KEY_BYTES)
    throw new Fault('integrity', `The key of the administration's audit chain, ${file}, is damaged.`, {
      remedy: 'Put it back from where secrets are kept: without it the chain cannot be checked.',
    });
  return key;
}
