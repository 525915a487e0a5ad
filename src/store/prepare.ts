import type { Blind } from '../core/blind.js';
import { Fault } from '../core/fault.js';
import { isFhirId } from '../core/ids.js';
import type { Resource } from '../core/resource.js';
import { isResourceType, typeNumber } from '../fhir/resource-types.js';
import { derivedFrom, indexResource } from '../indexing/index.js';
import type { IndexContext, IndexRows } from '../indexing/parameter-type.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import { contentOf } from './content.js';
import type { Write, WriteOp } from './contract.js';

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
  /** Undefined for a deletion. */
  readonly body: PreparedBody | undefined;
}

export interface PreparedBody {
  readonly resource: Resource;
  readonly content: string;
  readonly digest: bigint;
  readonly rows: IndexRows;
  readonly part: number;
  /** rid of the patient; null outside a single patient's compartment. */
  readonly pkey: bigint | null;
  readonly derived: boolean;
}

/** Parts are the first 14 bits of the keyed hash of the compartment, so a part says nothing about an id. */
const PART_BITS = 14;

export function partOf(compartmentRid: bigint): number {
  return Number(BigInt.asUintN(PART_BITS, compartmentRid >> BigInt(64 - PART_BITS)));
}

/** The second hash of an id; together with rid 96 bits tell ids apart. */
export function checkOf(keys: TenantKeys, type: string, id: string): number {
  return Number(BigInt.asIntN(32, keys.digest(`check ${type}/${id}`)));
}

/** @throws Fault `invalid` naming the write's position. */
export function prepareWrite(
  keys: TenantKeys,
  context: IndexContext,
  write: Write,
  position: number,
): PreparedWrite {
  const at = `writes[${position}]`;
  const { type, id, op } = write;
  if (!isResourceType(type))
    throw new Fault('invalid', 'This is not a resource type that can be stored.', { at });
  if (!isFhirId(id))
    throw new Fault('invalid', 'An id has 1 to 64 of the characters A-Z, a-z, 0-9, "-" and ".".', { at });
  const rid = keys.rid(type, id);
  const head = {
    at,
    op,
    type,
    id,
    rtype: typeNumber(type),
    rid,
    chk: checkOf(keys, type, id),
    ifMatch: write.ifMatch,
    skipUnchanged: write.skipUnchanged ?? false,
  };
  if (op === 'delete') return { ...head, body: undefined };
  const given = write.resource;
  if (!given || given.resourceType !== type)
    throw new Fault('invalid', 'The resource to write is missing or of another type than the write says.', {
      at,
    });
  const resource = given.id === id ? given : { ...given, id };
  const content = contentOf(resource);
  const rows = indexResource(resource, context);
  const pkey =
    rows.patient === undefined ? null : type === 'Patient' ? rid : keys.rid('Patient', rows.patient);
  return {
    ...head,
    body: {
      resource,
      content,
      digest: keys.digest(content),
      rows,
      part: partOf(pkey ?? rid),
      pkey,
      derived: derivedFrom(resource, context.base) !== undefined,
    },
  };
}

/** Distinct terms remembered within one batch. */
const MAX_REMEMBERED_TERMS = 50_000;

/**
 * The same context with terms remembered: in a batch nineteen of twenty come again, and a look-up takes a fifth of the
 * hash. Lives as long as the batch only, since its keys are words of records.
 */
function remembering(context: IndexContext): IndexContext {
  return { ...context, blind: rememberingBlind(context.blind) };
}

function rememberingBlind(blind: Blind): Blind {
  const seen = new Map<string, bigint>();
  const { privacy, also } = blind;
  const remembered = (text: string): bigint => {
    let term = seen.get(text);
    if (term === undefined) {
      term = blind(text);
      if (seen.size < MAX_REMEMBERED_TERMS) seen.set(text, term);
    }
    return term;
  };
  return Object.assign(remembered, { privacy, also: also && rememberingBlind(also) });
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
  const shared = writes.length > 1 ? remembering(context) : context;
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
    prepared.push(prepareWrite(keys, shared, write, i));
    if (i % WRITES_PER_TURN === WRITES_PER_TURN - 1) await new Promise(setImmediate);
  }
  return prepared;
}
