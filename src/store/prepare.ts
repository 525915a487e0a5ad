import { Fault } from '../core/fault.js';
import { isFhirId } from '../core/ids.js';
import type { Resource } from '../core/resource.js';
import { isResourceType, typeNumber } from '../fhir/resource-types.js';
import { derivedFrom, indexResource } from '../indexing/index.js';
import type { IndexContext, IndexRows } from '../indexing/parameter-type.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import { BulkRows } from './bulk-rows.js';
import { contentOf } from './content.js';
import type { Write, WriteOp } from './contract.js';
import { documentState } from './document-state.js';

/** A write with everything that can be known before the database is asked. */
export interface PreparedWrite {
  /** `writes[3]`, for faults. */
  readonly at: string;
  readonly op: WriteOp;
  readonly type: string;
  readonly id: string;
  readonly rtype: number;
  readonly rid: bigint;
  readonly chk: number;
  readonly ifMatch: number | undefined;
  readonly skipUnchanged: boolean;
  readonly holdFormer: boolean;
  /** Undefined for a deletion. */
  readonly body: PreparedBody | undefined;
}

export interface PreparedBody {
  /** Undefined where another thread prepared it (`kept-writes.ts`). */
  readonly resource: Resource | undefined;
  /** Canonical text or its UTF-8 bytes; empty where another thread has them. */
  readonly content: string | Uint8Array;
  /** Length of the content in UTF-16 units. */
  readonly units: number;
  /** Texts to sort by, where they are made already. */
  readonly sortLine: string | undefined;
  readonly digest: bigint;
  /** Of a write that is one of many in `bulk` instead. */
  readonly rows: IndexRows;
  readonly bulk: BulkPlace | undefined;
  /** State in which the annotation of a document starts; of other types it says nothing. */
  readonly state: number;
  /** Clinical time; null where undated. */
  readonly at: number | null;
  readonly part: number;
  /** rid of the patient; null outside a single patient's compartment. */
  readonly pkey: bigint | null;
  readonly derived: boolean;
}

/** Where the index rows of one resource stand in those of a bulk write. */
export interface BulkPlace {
  readonly rows: BulkRows;
  readonly n: number;
}

/** From this many writes on, COPY beats one statement with arrays. */
export const COPY_FROM_WRITES = 100;

export const NO_ROWS: IndexRows = {
  terms: [],
  dates: [],
  quantities: [],
  references: [],
  sorted: [],
  patient: undefined,
  at: undefined,
};

/** Parts are the first 14 bits of the keyed hash of the compartment, so a part says nothing about an id. */
const PART_BITS = 14;

export function partOf(compartmentRid: bigint): number {
  return Number(BigInt.asUintN(PART_BITS, compartmentRid >> BigInt(64 - PART_BITS)));
}

/** The second hash of an id; together with rid 96 bits tell ids apart. */
export function checkOf(keys: TenantKeys, type: string, id: string): number {
  return Number(BigInt.asIntN(32, keys.digest(`check ${type}/${id}`)));
}

/**
 * @param bulk takes the index rows, where the write is one of many
 * @throws Fault `invalid` naming the write's position.
 */
export function prepareWrite(
  keys: TenantKeys,
  context: IndexContext,
  write: Write,
  position: number,
  bulk?: BulkRows,
): PreparedWrite {
  const at = `writes[${position}]`;
  const { type, id, op } = write;
  const head = { ...headOf(keys, type, id, at), at, op, ifMatch: write.ifMatch };
  const asked = { skipUnchanged: write.skipUnchanged ?? false, holdFormer: write.holdFormer ?? false };
  if (op === 'delete') return { ...head, ...asked, body: undefined };
  const given = write.resource;
  if (!given || given.resourceType !== type)
    throw new Fault('invalid', 'The resource to write is missing or of another type than the write says.', {
      at,
    });
  const { rtype, rid } = head;
  const resource = given.id === id ? given : { ...given, id };
  const content = contentOf(resource);
  const { rows, ...body } = bodyOf(keys, context, resource, rid);
  return {
    ...head,
    ...asked,
    body: {
      ...body,
      resource,
      content,
      units: content.length,
      sortLine: undefined,
      digest: keys.digest(content),
      rows: bulk ? NO_ROWS : rows,
      bulk: bulk && { rows: bulk, n: bulk.add(keys, body.part, rtype, rid, rows) },
    },
  };
}

/** @throws Fault `invalid` */
export function headOf(
  keys: TenantKeys,
  type: string,
  id: string,
  at: string,
): Pick<PreparedWrite, 'type' | 'id' | 'rtype' | 'rid' | 'chk'> {
  if (!isResourceType(type))
    throw new Fault('invalid', 'This is not a resource type that can be stored.', { at });
  if (!isFhirId(id))
    throw new Fault('invalid', 'An id has 1 to 64 of the characters A-Z, a-z, 0-9, "-" and ".".', { at });
  return { type, id, rtype: typeNumber(type), rid: keys.rid(type, id), chk: checkOf(keys, type, id) };
}

/** What the index knows of a resource, and where it is put. */
export function bodyOf(
  keys: TenantKeys,
  context: IndexContext,
  resource: Resource,
  rid: bigint,
): Pick<PreparedBody, 'rows' | 'at' | 'part' | 'pkey' | 'derived' | 'state'> {
  const rows = indexResource(resource, context);
  const { patient } = rows;
  const pkey =
    patient === undefined ? null : resource.resourceType === 'Patient' ? rid : keys.rid('Patient', patient);
  return {
    rows,
    at: rows.at ?? null,
    part: partOf(pkey ?? rid),
    pkey,
    derived: derivedFrom(resource, context.base) !== undefined,
    state: documentState(resource),
  };
}

/** Preparing takes some 50 µs a write; other work of the process gets its turn after this many. */
const WRITES_PER_TURN = 64;

/** @throws Fault `invalid` for a bad write or an id that stands twice. */
export async function prepareWrites(
  keys: TenantKeys,
  context: IndexContext,
  writes: readonly Write[],
): Promise<PreparedWrite[]> {
  const prepared: PreparedWrite[] = [];
  const bulk = writes.length >= COPY_FROM_WRITES ? new BulkRows(writes.length) : undefined;
  const seen = new Set<string>();
  for (let i = 0; i < writes.length; i++) {
    const write = writes[i]!;
    const key = `${write.type}/${write.id}`;
    if (seen.has(key))
      throw new Fault('invalid', 'The same resource stands twice in one transaction.', {
        at: `writes[${i}]`,
        remedy: 'Write each resource once, or in transactions of their own.',
      });
    seen.add(key);
    prepared.push(prepareWrite(keys, context, write, i, bulk));
    if (i % WRITES_PER_TURN === WRITES_PER_TURN - 1) await new Promise(setImmediate);
  }
  return prepared;
}
