import { randomUUID } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { TenantKeys } from '../tenancy/tenant.js';
import type { Actor, WriteOp } from './contract.js';
import type { Decision } from './decide.js';

export interface AuditEntry {
  readonly actor: Actor;
  /** ms since the epoch. */
  readonly at: number;
  /** Versions written: operation, type, id, version. */
  readonly writes: readonly (readonly [op: WriteOp, type: string, id: string, version: number])[];
  /** What was removed for good, with all versions in this part up to the one named. */
  readonly erased?: readonly ErasedIdentity[];
  /** Why it was. */
  readonly reason?: string;
}

export type ErasedIdentity = readonly [type: string, id: string, version: number];

export interface AuditRow {
  readonly part: number;
  readonly at: number;
  readonly aid: string;
  readonly kv: number;
  readonly sealed: Buffer;
}

/** Key version of the audit key, which is not rotated with the body's. */
const AUDIT_KEY_VERSION = 1;

/** First byte of what is sealed. A single write's entry is short, and setting up the compressor costs more than it saves. */
const PLAIN = Buffer.from([0]);
const DEFLATED = Buffer.from([1]);
const DEFLATE_FROM_BYTES = 512;

/** One sealed row for what one transaction did in one part. */
export function sealAudit(
  keys: TenantKeys,
  part: number,
  at: number,
  actor: Actor,
  decisions: readonly Decision[],
): AuditRow {
  const entry: AuditEntry = {
    actor,
    at,
    writes: decisions.map((d) => [d.write.op, d.write.type, d.write.id, d.version] as const),
  };
  return sealEntry(keys, part, entry);
}

/** The row of an erasure: who, when and why, and the names of what is gone. */
export function sealErasure(keys: TenantKeys, part: number, entry: AuditEntry): AuditRow {
  return sealEntry(keys, part, entry);
}

function sealEntry(keys: TenantKeys, part: number, entry: AuditEntry): AuditRow {
  const { at } = entry;
  const aid = randomUUID();
  const text = Buffer.from(JSON.stringify(entry), 'utf8');
  const plain =
    text.length < DEFLATE_FROM_BYTES
      ? Buffer.concat([PLAIN, text])
      : Buffer.concat([DEFLATED, deflateRawSync(text, { level: 1 })]);
  const sealed = keys.seal(plain, { purpose: 'audit', bind: [part, at, aid] });
  return { part, at, aid, kv: AUDIT_KEY_VERSION, sealed };
}

/** An audit row may speak of a whole import batch; more than this inflated is refused as damage. */
const MAX_ENTRY_BYTES = 64 * 1024 * 1024;

/** @throws Fault `integrity` */
export function openAudit(keys: TenantKeys, row: Omit<AuditRow, 'kv'>): AuditEntry {
  const plain = keys.open(row.sealed, { purpose: 'audit', bind: [row.part, row.at, row.aid] });
  const rest = plain.subarray(1);
  const text = plain[0] === DEFLATED[0] ? inflateRawSync(rest, { maxOutputLength: MAX_ENTRY_BYTES }) : rest;
  return JSON.parse(text.toString('utf8')) as AuditEntry;
}
