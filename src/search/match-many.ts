import type { StoredResource } from '../core/resource.js';
import { typeNumber } from '../fhir/resource-types.js';
import type { RowKey } from '../store/contract.js';
import { type Condition, conjuncts } from './condition.js';
import type { PlannedSearch } from './search.js';

/**
 * Many searches that each ask for one token (`identifier=…`), by one statement instead of one each: what bundles
 * with hundreds of conditional references need.
 */

/** A planned search of one type. */
export interface Lookup {
  readonly type: string;
  readonly plan: Pick<PlannedSearch, 'find' | 'recheck'>;
}

/** Where the statement runs and bodies are opened: on the pool or inside a transaction. */
export interface LookupReader {
  query(text: string, values: readonly unknown[]): Promise<Record<string, unknown>[]>;
  open(rows: readonly RowKey[]): Promise<StoredResource[]>;
}

/** Rows opened for one lookup: two make it ambiguous, a few more leave room for hash collisions. */
const ROWS_PER_LOOKUP = 4;
/** Lookups of one statement. */
const BATCH = 1_000;

/** The one term that decides the search; undefined where more than one term is needed. */
export function decidingTerm({ plan }: Lookup): bigint | undefined {
  const parts: readonly Condition[] = conjuncts(plan.find.condition);
  const [only] = parts;
  if (parts.length !== 1 || only?.kind !== 'terms') return undefined;
  return only.terms.length === 1 ? only.terms[0] : undefined;
}

/**
 * Current resources of each lookup, at most ROWS_PER_LOOKUP, in the order of the lookups. All lookups must have a
 * deciding term.
 */
export async function findManyMatches(
  reader: LookupReader,
  lookups: readonly Lookup[],
): Promise<StoredResource[][]> {
  const found: StoredResource[][] = [];
  for (let from = 0; from < lookups.length; from += BATCH) {
    found.push(...(await findBatch(reader, lookups.slice(from, from + BATCH))));
  }
  return found;
}

const STATEMENT = `
  select w.ord, r.part, r.rtype, r.rid, r.ver, r.sid, r.slot
  from unnest($1::bigint[], $2::smallint[]) with ordinality as w(term, rtype, ord)
  cross join lateral (
    select part, rtype, rid, ver, sid, slot from resource
    where terms @> array[w.term] and resource.rtype = w.rtype and not deleted
    limit ${ROWS_PER_LOOKUP}
  ) r`;

async function findBatch(reader: LookupReader, lookups: readonly Lookup[]): Promise<StoredResource[][]> {
  const terms = lookups.map((lookup) => String(decidingTerm(lookup)!));
  const types = lookups.map(({ type }) => typeNumber(type));
  const rows = await reader.query(STATEMENT, [terms, types]);
  if (rows.length === 0) return lookups.map(() => []);
  const bodies = await reader.open(rows.map(rowKey));
  const found: StoredResource[][] = lookups.map(() => []);
  for (const [i, row] of rows.entries()) {
    const at = Number(row.ord) - 1;
    const body = bodies[i]!;
    const [holds] = await lookups[at]!.plan.recheck([body]);
    if (holds) found[at]!.push(body);
  }
  return found;
}

function rowKey(row: Record<string, unknown>): RowKey {
  return {
    part: Number(row.part),
    rtype: Number(row.rtype),
    rid: BigInt(row.rid as string),
    ver: Number(row.ver),
    sid: BigInt(row.sid as string),
    slot: Number(row.slot),
  };
}
