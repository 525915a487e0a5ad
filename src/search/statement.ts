import { RESOURCE_TYPES } from '../fhir/resource-types.js';
import type { RowKey } from '../store/contract.js';
import { type Condition, conjuncts, every, impliesType } from './condition.js';
import type { Position } from './cursor.js';
import { type Moment, unchangedSince } from './moment.js';
import { NO_BIGINT, OPEN_BELOW, type Order, phasesOf, type SqlKey } from './order.js';
import { Binder, Renderer, type RenderStyle } from './render.js';

/** What to find: rows of the types that meet the condition, in an order. */
export interface Find {
  /** Type numbers, ascending, at least one. */
  readonly types: readonly number[];
  readonly condition: Condition;
  readonly order: Order;
  /** A term with rows in `idx_sorted` that every match has; lets an order by clinical time be read from the index. */
  readonly sortedTerm?: bigint;
  /** A term whose rows in `idx_sorted` are the dated matches, all of them. */
  readonly countTerm?: bigint;
  /** Matches without such a row: those in several compartments, which have this term instead. */
  readonly sharedTerm?: bigint;
  /** Only rows that are as they were then: what was written since is placed by `moved.ts`. */
  readonly asOf?: Moment;
}

export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** A row as found, with the keys of its place in the order. */
export interface FoundRow {
  readonly row: RowKey;
  readonly keys: readonly (string | number)[];
}

export const COLUMNS = 'r.part, r.rtype, r.rid, r.ver, r.sid, r.slot';

const NO_DOUBLE = `'Infinity'::float8`;

/** The next `limit` rows after `after` within one phase of the order. */
export function rowsStatement(find: Find, after: Position, limit: number, driver?: Condition): Statement {
  const bind = new Binder();
  const phase = phasesOf(find.order)[after.phase]!;
  const keys = after.keys;
  switch (find.order.kind) {
    case 'bodies':
    case 'row':
      return done(
        bind,
        driver?.kind === 'rows'
          ? byIndexRow(find, bind, keys, limit, driver)
          : byRow(find, bind, keys, limit),
      );
    case 'updated':
      return done(bind, byUpdate(find, bind, keys, limit, find.order.descending));
    case 'clinical':
      return done(
        bind,
        phase === 'undated'
          ? byRow(
              { ...find, condition: every([{ kind: 'undated' }, ...conjuncts(find.condition)]) },
              bind,
              keys,
              limit,
            )
          : byClinicalTime(find, bind, keys, limit, find.order.descending),
      );
    case 'keys':
      return done(bind, byKeys(find, bind, keys, limit, find.order.keys));
  }
}

function done(bind: Binder, text: string): Statement {
  return { text, values: bind.values };
}

/**
 * The type is tested only where the condition does not imply it. The planner takes the two for independent: it would
 * expect far too few rows, and AND the terms' bitmap with one of the whole type.
 */
export function where(
  find: Find,
  bind: Binder,
  style: RenderStyle = 'set',
  condition = find.condition,
  typed = false,
): string {
  const renderer = new Renderer(bind, style);
  const parts = conjuncts(condition).map((c) => renderer.predicate(c, 'r', find.types));
  if (!typed && !impliesType(condition) && find.types.length < RESOURCE_TYPES.length)
    parts.unshift(renderer.predicate({ kind: 'types', types: find.types }, 'r', find.types));
  if (find.asOf) parts.push(unchangedSince('r', find.asOf, bind));
  return ['not r.deleted', ...parts].join(' and ');
}

/** The WHERE text of a find on the alias `r` of `resource`, for statements made elsewhere. */
export function whereOf(find: Find, bind: Binder): string {
  return where(find, bind);
}

/** Keyset in (rtype, rid); a single type needs rid alone, which the planner matches to more indexes. */
export function afterRow(find: Find, bind: Binder, keys: Position['keys'], alias: string): string {
  if (keys.length === 0) return '';
  const [rtype, rid] = keys as [number, string];
  return find.types.length === 1
    ? ` and ${alias}.rid > ${bind.bigint(BigInt(rid))}`
    : ` and (${alias}.rtype, ${alias}.rid) > (${bind.smallint(rtype)}, ${bind.bigint(BigInt(rid))})`;
}

function byRow(find: Find, bind: Binder, keys: Position['keys'], limit: number): string {
  return (
    `select ${COLUMNS}, r.rtype as k0, r.rid as k1 from resource r` +
    ` where ${where(find, bind)}${afterRow(find, bind, keys, 'r')}` +
    ` order by r.rtype, r.rid limit ${bind.int(limit)}`
  );
}

/**
 * Enters an index table by its most selective part, in row order, and tests the resources one by one. The planner,
 * left to itself, expects the join of an index row to its resource to find next to nothing and reads whole tables.
 */
function byIndexRow(
  find: Find,
  bind: Binder,
  keys: Position['keys'],
  limit: number,
  driver: Extract<Condition, { kind: 'rows' }>,
): string {
  const renderer = new Renderer(bind);
  const rest = conjuncts(find.condition).filter((c) => c !== driver);
  const condition = rest.length === 0 ? ({ kind: 'everything' } as const) : every(rest);
  return (
    `select ${COLUMNS}, r.rtype as k0, r.rid as k1 from` +
    ` (select distinct x.rtype, x.rid, x.part from idx_${driver.table} x where true${renderer.rowTests(driver, 'x')}` +
    `${afterRow(find, bind, keys, 'x')} order by x.rtype, x.rid, x.part) w cross join lateral` +
    ' (select r.* from resource r where r.part = w.part and r.rtype = w.rtype and r.rid = w.rid' +
    ` and ${where(find, bind, 'filter', condition, true)} limit 1) r` +
    ` order by w.rtype, w.rid limit ${bind.int(limit)}`
  );
}

/** The bound on the first key is separate so that it can be an index bound; ties go on by row. */
export function afterKeyed(
  bind: Binder,
  keys: Position['keys'],
  key: string,
  row: string,
  descending: boolean,
): string {
  if (keys.length === 0) return '';
  const [value, rtype, rid] = keys as [string, number, string];
  const k = bind.bigint(BigInt(value));
  const tie = `${row} ${descending ? '>' : '<'} (${bind.smallint(rtype)}, ${bind.bigint(BigInt(rid))})`;
  return ` and ${key} ${descending ? '<=' : '>='} ${k} and (${key} ${descending ? '<' : '>'} ${k} or ${tie})`;
}

function byUpdate(
  find: Find,
  bind: Binder,
  keys: Position['keys'],
  limit: number,
  descending: boolean,
): string {
  const way = descending ? 'desc' : 'asc';
  const [lu, rtype, rid] = keys as [string, number, string];
  const after =
    keys.length === 0
      ? ''
      : ` and (r.lu, r.rtype, r.rid) ${descending ? '<' : '>'}` +
        ` (${bind.bigint(BigInt(lu))}, ${bind.smallint(rtype)}, ${bind.bigint(BigInt(rid))})`;
  return (
    `select ${COLUMNS}, r.lu as k0, r.rtype as k1, r.rid as k2 from resource r where ${where(find, bind)}${after}` +
    ` order by r.lu ${way}, r.rtype ${way}, r.rid ${way} limit ${bind.int(limit)}`
  );
}

/**
 * Dated rows in clinical order, all matches fetched and sorted. A compartment is read in two halves, since its rows
 * stand under the patient column, which has an index in this order, or, when in several compartments, under a term.
 */
function byClinicalTime(
  find: Find,
  bind: Binder,
  keys: Position['keys'],
  limit: number,
  descending: boolean,
): string {
  const order = clinicalOrder(descending);
  const select = (condition: Condition) => clinicalSelect(find, bind, keys, limit, descending, condition);
  const { compartment, rest } = compartmentOf(find);
  if (!compartment) return select(find.condition);
  const own = select(every([{ kind: 'patient', pkey: compartment.pkey }, ...rest]));
  const shared = select(
    every([{ kind: 'terms', all: true, terms: [compartment.shared], anyType: true }, ...rest]),
  );
  return `select * from ((${own}) union all (${shared})) u order by ${order('k0', 'k1', 'k2')} limit ${bind.int(limit)}`;
}

/** The dated rows that meet `condition`, in clinical order. */
export function clinicalSelect(
  find: Find,
  bind: Binder,
  keys: Position['keys'],
  limit: number,
  descending: boolean,
  condition: Condition,
): string {
  return (
    `select ${COLUMNS}, r.at as k0, r.rtype as k1, r.rid as k2 from resource r` +
    ` where ${where(find, bind, 'set', condition)} and r.at is not null` +
    `${afterKeyed(bind, keys, 'r.at', '(r.rtype, r.rid)', descending)}` +
    ` order by ${clinicalOrder(descending)('r.at', 'r.rtype', 'r.rid')} limit ${bind.int(limit)}`
  );
}

/** Ties run the way the indexes in clinical order do. */
export function clinicalOrder(descending: boolean): (at: string, rtype: string, rid: string) => string {
  const [way, back] = descending ? ['desc', 'asc'] : ['asc', 'desc'];
  return (at, rtype, rid) => `${at} ${way}, ${rtype} ${back}, ${rid} ${back}`;
}

/** The compartment among the conjuncts, and the others. */
export function compartmentOf(find: Find): {
  compartment: Extract<Condition, { kind: 'compartment' }> | undefined;
  rest: readonly Condition[];
} {
  const all = conjuncts(find.condition);
  const compartment = all.find((c) => c.kind === 'compartment');
  return { compartment, rest: all.filter((c) => c !== compartment) };
}

function byKeys(
  find: Find,
  bind: Binder,
  keys: Position['keys'],
  limit: number,
  sort: readonly SqlKey[],
): string {
  const columns = sort.map((k, i) => `${keyExpression(k, bind)} as k${i}`);
  const names = [...sort.map((_, i) => `k${i}`), 'rtype', 'rid'];
  let keyset = '';
  if (keys.length > 0) {
    const bound = sort.map((k, i) =>
      k.from === 'quantity' ? bind.double(Number(keys[i])) : bind.bigint(BigInt(keys[i]!)),
    );
    bound.push(bind.smallint(Number(keys[sort.length])), bind.bigint(BigInt(keys[sort.length + 1]!)));
    keyset = ` where (${names.join(', ')}) > (${bound.join(', ')})`;
  }
  return (
    `select q.*, q.rtype as k${sort.length}, q.rid as k${sort.length + 1} from` +
    ` (select ${COLUMNS}, ${columns.join(', ')} from resource r where ${where(find, bind)}) q${keyset}` +
    ` order by ${names.join(', ')} limit ${bind.int(limit)}`
  );
}

/** The keys of rows, by their place in the list; none of a row that has moved to another part since it was found. */
export function keysStatement(rows: readonly RowKey[], keys: readonly SqlKey[]): Statement {
  const bind = new Binder();
  const given =
    `unnest(${bind.bigints(rows.map((r) => r.part))}, ${bind.bigints(rows.map((r) => r.rtype))},` +
    ` ${bind.bigints(rows.map((r) => r.rid))}) with ordinality as g (part, rtype, rid, i)`;
  const columns = keys.map((k, i) => `${keyExpression(k, bind)} as k${i}`);
  return done(
    bind,
    `select g.i - 1 as i, ${columns.join(', ')} from ${given}` +
      ' join resource r on r.part = g.part::int and r.rtype = g.rtype::smallint and r.rid = g.rid',
  );
}

/** The value a key of `keysStatement` or of an order stands for; undefined where there is none. */
export function keyOf(key: SqlKey, column: unknown): number | undefined {
  const turned = Number(column);
  if (key.from === 'quantity' ? turned === Infinity : String(column) === NO_BIGINT) return undefined;
  return key.descending ? -turned : turned;
}

/** A key turned so that ascending order is the wanted one and a missing value comes last. */
function keyExpression(key: SqlKey, bind: Binder): string {
  if (key.from === 'updated') return key.descending ? '-r.lu' : 'r.lu';
  const same = 'k.part = r.part and k.rtype = r.rtype and k.rid = r.rid';
  const first = (value: string) => (key.descending ? `-max(${value})` : `min(${value})`);
  if (key.from === 'date')
    return `coalesce((select ${first('k.lo')} from idx_date k where ${same} and k.param = ${bind.bigint(key.param)}), ${NO_BIGINT})`;
  const value = `case when k.lo = ${bind.double(OPEN_BELOW)} then k.hi else k.lo end`;
  const comparable =
    `(k.term = ${bind.bigint(key.converted)}` +
    ` or k.term = ${bind.bigint(key.term)} and k.unit <> all(${bind.bigints(key.units)}))`;
  return `coalesce((select ${first(value)} from idx_quantity k where ${same} and ${comparable}), ${NO_DOUBLE})`;
}

/**
 * How many rows match. A whole type is counted in the locator, less its few deleted rows; a code in its sorted rows,
 * which are an index by themselves, with its undated ones beside.
 */
export function countStatement(find: Find): Statement {
  const bind = new Binder();
  if (find.countTerm !== undefined) {
    const types = new Renderer(bind).predicate({ kind: 'types', types: find.types }, 'r', find.types);
    return done(
      bind,
      `select (select count(*) from idx_sorted s where s.term = ${bind.bigint(find.countTerm)})` +
        ` + (select count(*) from resource r where ${types} and r.at is null and ${where(find, bind)}) as n`,
    );
  }
  if (find.condition.kind === 'everything') {
    // The locator's key is read alone, in the order it stands.
    const types = (alias: string) =>
      new Renderer(bind).predicate({ kind: 'types', types: find.types }, alias, find.types);
    return done(
      bind,
      `select (select count(*) from locator l where ${types('l')})` +
        ` - (select count(*) from resource r where ${types('r')} and r.deleted) as n`,
    );
  }
  return done(bind, `select count(*) as n from resource r where ${where(find, bind)}`);
}

/** Reads a row of `rowsStatement` back. Bigints may come as text or as BigInt, as the driver is set. */
export function foundRow(columns: Record<string, unknown>, order: Order): FoundRow {
  const n = keyCount(order);
  const keys: (string | number)[] = [];
  for (let i = 0; i < n; i++) {
    const k = columns[`k${i}`];
    if (k === undefined) break;
    keys.push(typeof k === 'number' && Number.isFinite(k) ? k : String(k));
  }
  return {
    row: {
      part: Number(columns.part),
      rtype: Number(columns.rtype),
      rid: BigInt(String(columns.rid)),
      ver: Number(columns.ver),
      sid: BigInt(String(columns.sid)),
      slot: Number(columns.slot),
    },
    keys,
  };
}

function keyCount(order: Order): number {
  switch (order.kind) {
    case 'keys':
      return order.keys.length + 2;
    case 'updated':
    case 'clinical':
      return 3;
    default:
      return 2;
  }
}
