import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { Fault } from '../core/fault.js';
import type { PatientKey } from '../tenancy/patient-key.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import type { ContentIdentity } from './content.js';
import { type OwnerColumns, ownKey } from './patient-keys.js';
import { dictionaryOf, NEWEST_DICTIONARY } from './vocabulary.js';

/**
 * A segment is what one row of table `segment` holds: a few versions of one patient compartment, compressed together
 * and sealed. Its plaintext is one byte, the number of the vocabulary, and a raw deflate stream of
 *
 *     Observation/o1/1/1700000000000/812⏎     type/id/version/lastUpdated/length of its content in UTF-16 units
 *     Observation/o2/1/1700000000000/790⏎
 *     ⏎
 *     {…}{…}                                   the contents, in that order
 *
 * `bind` is the keyed digest of the list; it stands in the row, is part of the associated data, and is recomputed
 * after opening.
 */
export interface SealedSegment {
  readonly part: number;
  readonly sid: bigint;
  readonly kv: number;
  readonly bind: bigint;
  readonly sealed: Buffer;
  /** Whose own key is needed besides the body key. */
  readonly owner: bigint | null;
}

/** A row of `segment` with the key it needs, as `SEGMENT_COLUMNS` gives it. */
export interface SegmentRow extends OwnerColumns {
  readonly part: number;
  readonly sid: bigint;
  readonly bind: bigint;
  readonly sealed: Uint8Array;
}

/** What is selected from `segment s` with `ownKeyOf('s')` joined. */
export const SEGMENT_COLUMNS = 's.part, s.sid, s.bind, s.sealed, s.owner, pk.wv, pk.wrapped';

export interface SegmentMember extends ContentIdentity {
  readonly content: string;
}

/** A segment of one long body may be big; more than this inflated is refused as damage. */
const MAX_INFLATED_BYTES = 256 * 1024 * 1024;

/** Measured on the synthetic bundles: level 4 takes a third less time than 6 for 4 % more bytes. */
const DEFLATE_LEVEL = 4;

export function sealSegment(
  keys: TenantKeys,
  part: number,
  sid: bigint,
  members: readonly SegmentMember[],
  patient?: PatientKey,
): SealedSegment {
  let list = '';
  let contents = '';
  for (const m of members) {
    list += `${m.type}/${m.id}/${m.version}/${m.lastUpdated}/${m.content.length}\n`;
    contents += m.content;
  }
  const bind = keys.digest(list);
  const packed = deflateRawSync(`${list}\n${contents}`, {
    dictionary: dictionaryOf(NEWEST_DICTIONARY),
    level: DEFLATE_LEVEL,
  });
  const plain = Buffer.allocUnsafe(packed.length + 1);
  plain[0] = NEWEST_DICTIONARY;
  packed.copy(plain, 1);
  const sealed = keys.seal(plain, { purpose: 'body', bind: [part, sid, bind], patient });
  return { part, sid, kv: keys.currentVersion, bind, sealed, owner: patient?.owner ?? null };
}

/** @throws Fault `integrity` when anything about the piece is not as it was sealed, or its patient's key is gone. */
export function openSegment(keys: TenantKeys, row: SegmentRow): SegmentMember[] {
  const { part, sid, bind, sealed } = row;
  const plain = keys.open(sealed, { purpose: 'body', bind: [part, sid, bind], patient: ownKey(keys, row) });
  const text = inflateRawSync(plain.subarray(1), {
    dictionary: dictionaryOf(plain[0]!),
    maxOutputLength: MAX_INFLATED_BYTES,
  }).toString('utf8');
  const listEnd = text.startsWith('\n') ? 0 : text.indexOf('\n\n') + 1;
  const list = text.slice(0, listEnd);
  if (keys.digest(list) !== bind) throw mismatch();
  const members: SegmentMember[] = [];
  let at = listEnd + 1;
  for (const line of list.split('\n')) {
    if (line === '') continue;
    const [type, id, version, lastUpdated, length] = line.split('/');
    const end = at + Number(length);
    members.push({
      type: type!,
      id: id!,
      version: Number(version),
      lastUpdated: Number(lastUpdated),
      content: text.slice(at, end),
    });
    at = end;
  }
  if (at !== text.length) throw mismatch();
  return members;
}

/**
 * The member a row points at, checked to be the version that row speaks of.
 * @throws Fault `integrity` when the row and the sealed list do not agree.
 */
export function memberAt(
  keys: TenantKeys,
  members: readonly SegmentMember[],
  row: { readonly rid: bigint; readonly ver: number; readonly slot: number },
): SegmentMember {
  const member = members[row.slot];
  if (!member || member.version !== row.ver || keys.rid(member.type, member.id) !== row.rid) throw mismatch();
  return member;
}

function mismatch(): Fault {
  return new Fault('integrity', 'A stored body does not belong to the row that points at it.', {
    remedy: 'Run `cenote verify` for this tenant and restore the affected rows from a backup.',
  });
}
