import type { StoredResource } from '../core/resource.js';
import { typeNumber } from '../fhir/resource-types.js';
import type { RowKey } from '../store/contract.js';
import { type Condition, conjuncts, every, isDeep } from './condition.js';
import type { Reader } from './reader.js';
import { Binder } from './render.js';
import type { PlannedSearch } from './search.js';
import { COLUMNS, whereOf } from './statement.js';

/**
 * Many searches by one statement instead of one each: what bundles with hundreds of conditional entries and
 * references need. Those that one term decides (`identifier=…`) go together whatever they ask; others go with those of
 * the same shape (`code=…&subject=…`), whose statements differ in their values alone.
 */

/** A planned search of one type. */
export interface Lookup {
  readonly type: string;
  readonly plan: Pick<PlannedSearch, 'find' | 'exact' | 'recheck'>;
}

/** Where the statement runs and bodies are opened: on the pool or inside a transaction. */
export type LookupReader = Pick<Reader, 'tenant' | 'query' | 'open'>;

/** Rows opened for one lookup: two make it ambiguous, a few more leave room for hash collisions. */
const ROWS_PER_LOOKUP = 4;
/** Lookups of one statement. */
const BATCH = 1_000;

/**
 * Whether a search can be looked up with others: the index decides it, so that the few rows which are opened are
 * matches, and no sets of a deep chain need be made.
 */
export function canGoTogether({ plan }: Lookup): boolean {
  return plan.exact && !isDeep(plan.find.condition);
}

/** The one term that decides the search; undefined where more than one term is needed. */
function decidingTerm({ plan }: Lookup): bigint | undefined {
  const parts: readonly Condition[] = conjuncts(plan.find.condition);
  const [only] = parts;
  if (parts.length !== 1 || only?.kind !== 'terms') return undefined;
  return only.terms.length === 1 ? only.terms[0] : undefined;
}

/** Lookups whose statements differ in their values alone: where they stand among all. */
type Shape = readonly number[];

const PLACEHOLDER = /\$(\d+)::([a-z0-9]+(?:\[\])?)/g;

/**
 * Current resources of each lookup, at most ROWS_PER_LOOKUP, in the order of the lookups. All lookups must be such as
 * can go together.
 */
export async function findManyMatches(
  reader: LookupReader,
  lookups: readonly Lookup[],
): Promise<StoredResource[][]> {
  const found: StoredResource[][] = lookups.map(() => []);
  for (const shape of shapesOf(lookups)) {
    const ways = (await termsLead(
      reader,
      shape.map((at) => lookups[at]!),
    ))
      ? [true, false]
      : [false];
    let left: readonly number[] = shape;
    for (const byTerms of ways) {
      const crowded: number[] = [];
      for (let from = 0; from < left.length; from += BATCH)
        crowded.push(...(await findBatch(reader, lookups, left.slice(from, from + BATCH), byTerms, found)));
      left = crowded;
    }
  }
  return found;
}

/** Finds what matches the lookups of a batch. Returns those that have too many candidates by their terms alone. */
async function findBatch(
  reader: LookupReader,
  lookups: readonly Lookup[],
  batch: readonly number[],
  byTerms: boolean,
  found: StoredResource[][],
): Promise<number[]> {
  const asked = batch.map((at) => predicateOf(lookups[at]!, byTerms));
  const columns = asked[0]!.values.map((_, c) => asked.map(({ values }) => literal(values[c])));
  const limit = byTerms ? CANDIDATES + 1 : ROWS_PER_LOOKUP;
  const text = together(asked[0]!.where, columns.length, limit);
  const rows = await reader.query({ text, values: columns });
  const counts = new Map<number, number>();
  for (const { ord } of rows) counts.set(Number(ord), (counts.get(Number(ord)) ?? 0) + 1);
  const crowded = (ord: number) => byTerms && counts.get(ord)! > CANDIDATES;
  const wanted = rows.filter(({ ord }) => !crowded(Number(ord)));
  const bodies = wanted.length === 0 ? [] : await reader.open(wanted.map(rowKey));
  for (const [i, row] of wanted.entries()) {
    const at = batch[Number(row.ord) - 1]!;
    if (found[at]!.length === ROWS_PER_LOOKUP) continue;
    const [holds] = await lookups[at]!.plan.recheck([bodies[i]!]);
    if (holds) found[at]!.push(bodies[i]!);
  }
  return [...counts.keys()].filter(crowded).map((ord) => batch[ord - 1]!);
}

function shapesOf(lookups: readonly Lookup[]): Shape[] {
  const shapes = new Map<string, number[]>();
  for (const [at, lookup] of lookups.entries()) {
    const { where } = predicateOf(lookup, false);
    const shape = shapes.get(where);
    if (shape) shape.push(at);
    else shapes.set(where, [at]);
  }
  return [...shapes.values()];
}

/** Most resources that are opened for one lookup to see which of them meets the rest of it. */
const CANDIDATES = 32;
/** Lookups of a shape that are looked at to tell how all of them are best found. */
const SAMPLES = 3;

/**
 * Whether the terms of a shape alone find few enough rows to open them. The planner cannot tell which part finds
 * least: it plans all lookups at once, without their values, and knows nothing yet of rows that were just written.
 */
async function termsLead(reader: LookupReader, lookups: readonly Lookup[]): Promise<boolean> {
  const parts = conjuncts(lookups[0]!.plan.find.condition);
  const plain = parts.every(({ kind }) => ROW_KINDS.has(kind));
  if (lookups.length < SAMPLES || parts.length === 1 || !plain || !parts.some(isTerms)) return false;
  let rows = 0;
  for (let i = 0; i < SAMPLES; i++) {
    const lookup = lookups[Math.round(((lookups.length - 1) * i) / (SAMPLES - 1))]!;
    const { where, values } = predicateOf(lookup, true);
    const some = `select 1 from resource r where ${where} limit ${CANDIDATES}`;
    const [counted] = await reader.query({ text: `select count(*) as n from (${some}) s`, values });
    rows += Number(counted!.n);
  }
  return rows < (SAMPLES * CANDIDATES) / 2;
}

/** Parts that an opened body is compared with; chains would be followed one by one. */
const ROW_KINDS: ReadonlySet<Condition['kind']> = new Set(['terms', 'rows', 'date', 'quantity', 'reference']);

const isTerms = (c: Condition): boolean => c.kind === 'terms';

/** What a row `r` of `resource` must meet. Lookups that are equal but for their values have one text. */
function predicateOf(lookup: Lookup, byTerms: boolean): { where: string; values: readonly unknown[] } {
  const bind = new Binder();
  const { find } = lookup.plan;
  const term = decidingTerm(lookup);
  if (term !== undefined) {
    // The type stands beside the term, which belongs to it anyway: so lookups of several types have one shape.
    const ofType = bind.smallint(typeNumber(lookup.type));
    const where = `not r.deleted and r.terms @> ${bind.bigints([term])} and r.rtype = ${ofType}`;
    return { where, values: bind.values };
  }
  const condition = byTerms ? every(conjuncts(find.condition).filter(isTerms)) : find.condition;
  return { where: whereOf({ ...find, condition }, bind), values: bind.values };
}

/** One statement for all lookups of a shape: each of its values is a column of theirs, as text. */
function together(where: string, count: number, limit: number): string {
  const columns = Array.from({ length: count }, (_, i) => `v${i + 1}`);
  const each = where.replace(PLACEHOLDER, (_, n: string, type: string) => `(w.v${n})::${type}`);
  return `
  select w.ord, f.*
  from unnest(${columns.map((_, i) => `$${i + 1}::text[]`).join(', ')}) with ordinality as w(${columns.join(', ')}, ord)
  cross join lateral (select ${COLUMNS} from resource r where ${each} limit ${limit}) f`;
}

/** A bound value as PostgreSQL writes it: numbers, and lists of them. */
function literal(value: unknown): string {
  return Array.isArray(value) ? `{${value.join(',')}}` : String(value);
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
