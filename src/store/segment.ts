import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { Fault } from '../core/fault.js';
import { SORT_LINES_VERSION, sortLine } from '../indexing/index.js';
import type { PatientKey } from '../tenancy/patient-key.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import { type ContentIdentity, resourceOf } from './content.js';
import { type OwnerColumns, ownKey } from './patient-keys.js';
import { dictionaryOf, NEWEST_DICTIONARY } from './vocabulary.js';

/**
 * A segment is what one row of table `segment` holds: a few versions of one patient compartment, compressed together
 * and sealed. Its plaintext is one byte, the number of the vocabulary, and a raw deflate stream of the list and contents
 * below. Where the byte has its highest bit set, the texts that results are sorted by stand between the two (the version
 * of their form in one byte, their length in bytes in four, a line for each member), to be read without unpacking.
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
  /** Its line of texts to sort by; made of its content where absent, and read back only where it is asked for. */
  readonly sortLine?: string;
}

/** A member to be sealed, its content as text or as UTF-8 bytes. */
export interface SealedMember extends ContentIdentity {
  readonly content: string | Uint8Array;
  /** Length of the content in UTF-16 units; needed where it is bytes. */
  readonly units?: number;
  /** Made of the content, which then is text, where absent. */
  readonly sortLine?: string;
}

/** Set in the first byte where lines of texts follow. */
const WITH_LINES = 0x80;
const LINES_AT = 6;

const NEWLINE = 0x0a;

/** A segment of one long body may be big; more than this inflated is refused as damage. */
const MAX_INFLATED_BYTES = 256 * 1024 * 1024;

/** Measured on made-up records: level 3 takes a sixth less time than 4 for 1 % more bytes, and that a third less than 6. */
const DEFLATE_LEVEL = 3;

/** What is compressed is put together here, unless it is longer: nothing else runs until it is. */
const scratch = Buffer.allocUnsafeSlow(64 * 1024);

export function sealSegment(
  keys: TenantKeys,
  part: number,
  sid: bigint,
  members: readonly SealedMember[],
  patient?: PatientKey,
): SealedSegment {
  let list = '';
  let room = 1;
  for (const m of members) {
    const units = m.units ?? m.content.length;
    list += `${m.type}/${m.id}/${m.version}/${m.lastUpdated}/${units}\n`;
    room += typeof m.content === 'string' ? units * 3 : m.content.length;
  }
  const bind = keys.digest(list);
  room += list.length;
  const whole = room <= scratch.length ? scratch : Buffer.allocUnsafeSlow(room);
  let at = whole.write(list, 'latin1');
  whole[at++] = NEWLINE;
  for (const { content } of members) {
    if (typeof content === 'string') at += whole.write(content, at, 'utf8');
    else {
      whole.set(content, at);
      at += content.length;
    }
  }
  const packed = deflateRawSync(whole.subarray(0, at), {
    dictionary: dictionaryOf(NEWEST_DICTIONARY),
    level: DEFLATE_LEVEL,
  });
  const lines = members.map((m) => m.sortLine ?? lineOf(m)).join('\n');
  const plain = withLines(lines, packed);
  const sealed = keys.seal(plain, { purpose: 'body', bind: [part, sid, bind], patient });
  return { part, sid, kv: keys.currentVersion, bind, sealed, owner: patient?.owner ?? null };
}

function lineOf(member: SealedMember): string {
  return member.content === '' ? '' : sortLine(resourceOf(member, member.content as string));
}

function withLines(lines: string, packed: Buffer): Buffer {
  const bytes = Buffer.byteLength(lines);
  const at = LINES_AT + bytes;
  const plain = Buffer.allocUnsafe(at + packed.length);
  plain[0] = NEWEST_DICTIONARY | WITH_LINES;
  plain[1] = SORT_LINES_VERSION;
  plain.writeUInt32BE(bytes, 2);
  plain.write(lines, LINES_AT, 'utf8');
  packed.copy(plain, at);
  return plain;
}

/**
 * The lines of texts of a segment's members, by slot; undefined where it has none or those of another release.
 * @throws Fault `integrity`
 */
export function openSortLines(keys: TenantKeys, row: SegmentRow): string[] | undefined {
  const { part, sid, bind, sealed } = row;
  return linesOf(keys.open(sealed, { purpose: 'body', bind: [part, sid, bind], patient: ownKey(keys, row) }));
}

function linesOf(plain: Buffer): string[] | undefined {
  if (!(plain[0]! & WITH_LINES) || plain[1] !== SORT_LINES_VERSION) return undefined;
  return plain.toString('utf8', LINES_AT, LINES_AT + plain.readUInt32BE(2)).split('\n');
}

/**
 * @param lines also the members' lines of texts, where they are of this release
 * @throws Fault `integrity` when anything about the piece is not as it was sealed, or its patient's key is gone.
 */
export function openSegment(keys: TenantKeys, row: SegmentRow, lines = false): SegmentMember[] {
  const { part, sid, bind, sealed } = row;
  const plain = keys.open(sealed, { purpose: 'body', bind: [part, sid, bind], patient: ownKey(keys, row) });
  const from = plain[0]! & WITH_LINES ? LINES_AT + plain.readUInt32BE(2) : 1;
  const text = inflateRawSync(plain.subarray(from), {
    dictionary: dictionaryOf(plain[0]! & ~WITH_LINES),
    maxOutputLength: MAX_INFLATED_BYTES,
  }).toString('utf8');
  const listEnd = text.startsWith('\n') ? 0 : text.indexOf('\n\n') + 1;
  const list = text.slice(0, listEnd);
  if (keys.digest(list) !== bind) throw mismatch();
  const members: SegmentMember[] = [];
  const sortLines = lines ? linesOf(plain) : undefined;
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
      ...(sortLines ? { sortLine: sortLines[members.length] ?? '' } : {}),
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
