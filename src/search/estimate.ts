import type { Tenant } from '../tenancy/tenant.js';
import { type Bounds, type Condition, isDeep, printCondition, type RowTest } from './condition.js';
import type { Reader } from './reader.js';
import { Binder, Renderer } from './render.js';
import type { Statement } from './statement.js';

/**
 * How many rows meet a condition, guessed from the planner's statistics of single tables. The planner's guess for a
 * whole search is of no use: it takes the columns that join an index row to its resource for independent and expects
 * one row where there are thousands. Guesses are kept for a minute, since each costs a round trip.
 */
export interface Guess {
  /** Rows of the types searched. */
  readonly rows: number;
  /** Rows that meet the whole condition. */
  readonly matches: number;
  /** Rows that the most selective part finds by its index; Infinity where no part has one. */
  readonly fetched: number;
  /** That part. */
  readonly driver: Condition | undefined;
}

const LIFE_MS = 60_000;
const MAX_KEPT = 2_000;
/** A condition with more text than this (a long list of codes) is guessed anew each time. */
const MAX_NAME_CHARS = 1_000;
/** Share of rows taken for conditions that only test: undated, derived, and the like. */
const TESTED_SHARE = 0.5;

const kept = new WeakMap<Tenant['keys'], Map<string, { rows: number; at: number }>>();

export async function guess(reader: Reader, condition: Condition, types: readonly number[]): Promise<Guess> {
  const rows = await typeRows(reader, types);
  const parts = condition.kind === 'and' ? condition.of : [condition];
  let share = 1;
  let fetched = Number.POSITIVE_INFINITY;
  let driver: Condition | undefined;
  for (const part of parts) {
    const found = await count(reader, part, types);
    if (found === undefined) {
      if (part.kind !== 'everything') share *= TESTED_SHARE;
      continue;
    }
    if (found < fetched) {
      fetched = found;
      driver = part;
    }
    share *= Math.min(1, found / rows);
  }
  return { rows, matches: share * rows, fetched, driver };
}

/** Rows an index finds for the condition; undefined where it is only tested. */
async function count(reader: Reader, c: Condition, types: readonly number[]): Promise<number | undefined> {
  // Guessing each step's set would cost as many round trips as there are steps.
  if (isDeep(c)) return undefined;
  switch (c.kind) {
    case 'nothing':
      return 0;
    case 'rids':
      return c.rids.length;
    case 'terms':
    case 'patient':
    case 'compartment':
      return leaf(reader, printCondition(c), (r) => `resource r where ${r.predicate(c, 'r', types)}`);
    case 'rows':
      return leaf(
        reader,
        printCondition(c),
        (r) => `idx_${c.table} x where true${r.rowTests({ ...c, every: asPoints(c.every) }, 'x')}`,
      );
    case 'updated':
      return leaf(reader, printCondition(c), (r) => `resource r where ${r.predicate(c, 'r', types)}`);
    case 'chain': {
      const inner = await guess(reader, c.of, [c.targetType]);
      return (inner.matches / inner.rows) * (await typeRows(reader, types));
    }
    case 'has':
      return (await guess(reader, c.of, [c.sourceType])).matches;
    case 'and': {
      const { fetched, matches } = await guess(reader, c, types);
      return fetched === Number.POSITIVE_INFINITY ? undefined : matches;
    }
    case 'or': {
      let sum = 0;
      for (const part of c.of) {
        const found = await count(reader, part, types);
        if (found === undefined) return undefined;
        sum += found;
      }
      return sum;
    }
    default:
      return undefined;
  }
}

type Rows = Extract<Condition, { kind: 'rows' }>;

/**
 * Rows as if they were points, in one range of their beginnings: both ends and their distance depend on each other,
 * while the planner takes every bound for independent and guesses many times too many or too few.
 */
function asPoints(every: Rows['every']): Rows['every'] {
  return every.map((any) => {
    const [first] = any;
    if (first === undefined || first.kind === 'reference' || headsOf(any).size > 1) return any;
    const bounds = any as readonly (Bounds & RowTest)[];
    const least = bounds.map((b) => b.hiMin ?? b.loMin ?? -Infinity);
    const most = bounds.map((b) => b.loMax ?? b.hiMax ?? Infinity);
    const [loMin, loMax] = [Math.min(...least), Math.max(...most)];
    const { hiMin: _from, hiMax: _to, loMin: _min, loMax: _max, ...head } = first;
    return [
      {
        ...head,
        ...(loMin === -Infinity ? {} : { loMin }),
        ...(loMax === Infinity ? {} : { loMax }),
      } as RowTest,
    ];
  });
}

function headsOf(any: readonly RowTest[]): Set<string> {
  return new Set(any.map((t) => (t.kind === 'quantity' ? `${t.term} ${t.unit}` : `${t.param}`)));
}

function typeRows(reader: Reader, types: readonly number[]): Promise<number> {
  return leaf(
    reader,
    `types ${types.join(',')}`,
    (r) => `locator r where ${r.predicate({ kind: 'types', types }, 'r', types)}`,
  );
}

/** At least one row, so that shares can be taken. */
async function leaf(reader: Reader, name: string, from: (renderer: Renderer) => string): Promise<number> {
  const bind = new Binder();
  return explained(reader, name, () => ({
    text: `select 1 from ${from(new Renderer(bind))}`,
    values: bind.values,
  }));
}

/** The planner's row count for a statement, kept under `name`. */
export async function explained(reader: Reader, name: string, statement: () => Statement): Promise<number> {
  const known = kept.get(reader.tenant.keys) ?? new Map<string, { rows: number; at: number }>();
  kept.set(reader.tenant.keys, known);
  const now = performance.now();
  const found = known.get(name);
  if (found && now - found.at < LIFE_MS) return found.rows;
  const { text, values } = statement();
  const rows = Math.max(1, planRows(await reader.query({ text: `explain (format json) ${text}`, values })));
  if (known.size >= MAX_KEPT) known.clear();
  if (name.length <= MAX_NAME_CHARS) known.set(name, { rows, at: now });
  return rows;
}

/** Row count at the top of an `explain (format json)`. */
export function planRows(rows: readonly Record<string, unknown>[]): number {
  const plan = rows[0]?.['QUERY PLAN'];
  const parsed = (typeof plan === 'string' ? JSON.parse(plan) : plan) as { Plan: { 'Plan Rows': number } }[];
  return parsed[0]?.Plan['Plan Rows'] ?? 0;
}
