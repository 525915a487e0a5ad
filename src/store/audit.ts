import { randomUUID } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { sealedKeyVersion } from '../tenancy/seal.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import type { Actor, WriteOp } from './contract.js';
import type { Decision } from './decide.js';

export interface AuditEntry {
  readonly actor: Actor;
  /** ms since the epoch. */
  readonly at: number;
  /** Versions written: operation, type, id, version. */
  readonly writes: readonly (readonly [op: WriteOp, type: string, id: string, version: number])[];
  /** Keys (`rid`, decimal) of the patients to whose records was written, before or now. */
  readonly compartments?: readonly string[];
  /** What was removed for good, with all versions in this part up to the one named. */
  readonly erased?: readonly ErasedIdentity[];
  /** Why it was. */
  readonly reason?: string;
  /** What was read, or refused: several callers' requests of one moment together. `actor` is then the server itself. */
  readonly accesses?: readonly Access[];
}

/** One request that read something, or that was refused; or a command that did. */
export interface Access {
  readonly actor: Actor;
  /** ms since the epoch. */
  readonly at: number;
  /** Code of the RESTful interaction (`read`, `search-type` …) or `$` and the operation's name. */
  readonly interaction: string;
  /** Type the request was about, where it was about one. */
  readonly type?: string;
  /** HTTP status of the answer; 200 for a command that did what it was asked. */
  readonly status: number;
  /** The query as sent, without what paging adds. */
  readonly query?: string;
  /** What was given out: type, id and version, the first MAX_NAMED_RESOURCES of `count`. */
  readonly resources?: readonly (readonly [type: string, id: string, version?: string])[];
  /** Ids of the patients it was about, the first MAX_NAMED_PATIENTS of `patientCount`. */
  readonly patients?: readonly string[];
  readonly patientCount?: number;
  /** Resources given out. */
  readonly count?: number;
  /** Why rights beyond the caller's own were used, in the caller's words. */
  readonly emergency?: string;
}

/** Resources of one answer that an audit entry names; of more it keeps the number and the query. */
export const MAX_NAMED_RESOURCES = 200;
/** Patients of one answer that an audit entry names. */
export const MAX_NAMED_PATIENTS = 1000;

/** Part of the rows that tell of accesses, past those of patients' compartments (0 to 16383). */
export const ACCESS_PART = 16_384;

export type ErasedIdentity = readonly [type: string, id: string, version: number];

export interface AuditRow {
  readonly part: number;
  readonly at: number;
  readonly aid: string;
  readonly kv: number;
  readonly sealed: Buffer;
  /** Keyed digest of the row, which its place in the chain is made of. */
  readonly mac: Buffer;
}

/** First byte of what is sealed. Ids shrink by half at most, and setting up the compressor costs as much as 2 KB of them. */
const PLAIN = Buffer.from([0]);
const DEFLATED = Buffer.from([1]);
const DEFLATE_FROM_BYTES = 2_048;

/** One sealed row for what one transaction did in one part. */
export function sealAudit(
  keys: TenantKeys,
  part: number,
  at: number,
  actor: Actor,
  decisions: readonly Decision[],
): AuditRow {
  const compartments = new Set<string>();
  for (const { write, current } of decisions)
    for (const pkey of [write.body?.pkey, current?.pkey])
      if (pkey !== null && pkey !== undefined) compartments.add(pkey.toString());
  const entry: AuditEntry = {
    actor,
    at,
    compartments: [...compartments],
    writes: decisions.map((d) => [d.write.op, d.write.type, d.write.id, d.version] as const),
  };
  return sealEntry(keys, part, entry);
}

/** The row of an erasure: who, when and why, and the names of what is gone. */
export function sealErasure(keys: TenantKeys, part: number, entry: AuditEntry): AuditRow {
  return sealEntry(keys, part, entry);
}

/** One row for accesses of about the same time. `at` of the row is the latest of theirs. */
export function sealAccesses(keys: TenantKeys, actor: Actor, accesses: readonly Access[]): AuditRow {
  const at = accesses.reduce((latest, access) => Math.max(latest, access.at), 0);
  return sealEntry(keys, ACCESS_PART, { actor, at, writes: [], accesses });
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
  const row = { part, at, aid, kv: sealedKeyVersion(sealed), sealed };
  return { ...row, mac: auditMac(keys, row) };
}

/** Keyed digest of a row as it stands in the table. */
export function auditMac(keys: TenantKeys, { part, at, aid, kv, sealed }: Omit<AuditRow, 'mac'>): Buffer {
  return keys.auditMac(kv, Buffer.concat([Buffer.from(`row ${part} ${at} ${aid} `, 'latin1'), sealed]));
}

/** An audit row may speak of a whole import batch; more than this inflated is refused as damage. */
const MAX_ENTRY_BYTES = 64 * 1024 * 1024;

/** @throws Fault `integrity` */
export function openAudit(
  keys: TenantKeys,
  row: Pick<AuditRow, 'part' | 'at' | 'aid' | 'sealed'>,
): AuditEntry {
  const plain = keys.open(row.sealed, { purpose: 'audit', bind: [row.part, row.at, row.aid] });
  const rest = plain.subarray(1);
  const text = plain[0] === DEFLATED[0] ? inflateRawSync(rest, { maxOutputLength: MAX_ENTRY_BYTES }) : rest;
  return JSON.parse(text.toString('utf8')) as AuditEntry;
}
