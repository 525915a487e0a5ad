import type { RowKey } from '../store/contract.js';
import { type Condition, conjuncts, every, impliesType } from './condition.js';
import type { Position } from './cursor.js';
import { type Order, phasesOf, type SqlKey } from './order.js';
import { Binder, Renderer, type RenderStyle } from './render.js';

/** What to find: rows of the types that meet the condition, in an order. */
export interface Find {
  /** Type numbers, ascending, at least one. */
  readonly types: readonly number[];
  readonly condition: Condition;
  readonly order: Order;
  /** A term with rows in `idx_sorted` that every match has; lets an order by clinical time be read from the index. */
  readonly sortedTerm?: bigint;
  /** Matches without such a row: those in several compartments, which have this term instead. */
  readonly sharedTerm?: bigint;
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

const COLUMNS = 'r.part, r.rtype, r.rid, r.ver, r.sid, r.slot';

/** The largest bigint and the largest double stand for "no value", so that such rows come last. */
const NO_BIGINT = '9223372036854775807';
const NO_DOUBLE = `'Infinity'::float8`;

/** The next `limit` rows after `after` within one phase of the order. */
export function rowsStatement(find: Find, after: Position, limit: number, walk?: number): Statement {
  const bind = new Binder();
  const phase = phasesOf(find.order)[after.phase]!;
  const keys = after.keys;
  switch (find.order.kind) {
    case 'bodies':
    case 'row':
      return done(
        bind,
        walk === undefined ? byRow(find, bind, keys, limit) : byWalk(find, bind, keys, limit, walk),
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
function where(
  find: Find,
  bind: Binder,
  style: RenderStyle = 'set',
  condition = find.condition,
  typed = false,
): string {
  const renderer = new Renderer(bind, style);
  const parts = conjuncts(condition).map((c) => renderer.predicate(c, 'r', find.types));
  if (!typed && !impliesType(condition))
    parts.unshift(renderer.predicate({ kind: 'types', types: find.types }, 'r', find.types));
  return ['not r.deleted', ...parts].join(' and ');
}

/** The WHERE text of a find on the alias `r` of `resource`, for statements made elsewhere. */
export function whereOf(find: Find, bind: Binder): string {
  return where(find, bind);
}

/** Keyset in (rtype, rid); a single type needs rid alone, which the planner matches to more indexes. */
function afterRow(find: Find, bind: Binder, keys: Position['keys'], alias: string): string {
  if (keys.length === 0) return '';
  const [rtype, rid] = keys as [number, string];
  return find.types.length === 1
    ? ` and ${alias}.rid > ${bind.bigint(BigInt(rid))}`
    : ` and (${alias}.rtype, ${alias}.rid) > (${bind.smallint(rtype)}, ${bind.bigint(BigInt(rid))})`;
}

function byRow(find: Find, bind: Binder, keys: Position['keys'], limit: number): string {
  // With nothing to select by, the locator has the rows in order; else the terms' index is entered first.
  const from =
    find.condition.kind === 'everything'
      ? 'locator l join resource r on r.part = l.part and r.rtype = l.rtype and r.rid = l.rid'
      : 'resource r';
  const a = find.condition.kind === 'everything' ? 'l' : 'r';
  const types =
    a === 'l'
      ? ` and ${new Renderer(bind).predicate({ kind: 'types', types: find.types }, 'l', find.types)}`
      : '';
  return (
    `select ${COLUMNS}, r.rtype as k0, r.rid as k1 from ${from}` +
    ` where ${where(find, bind)}${types}${afterRow(find, bind, keys, a)}` +
    ` order by ${a}.rtype, ${a}.rid limit ${bind.int(limit)}`
  );
}

/** Tests the next `walk` rows one by one: cheaper than fetching and sorting all matches where they are many. */
function byWalk(find: Find, bind: Binder, keys: Position['keys'], limit: number, walk: number): string {
  const types = new Renderer(bind).predicate({ kind: 'types', types: find.types }, 'l', find.types);
  return (
    `select ${COLUMNS}, r.rtype as k0, r.rid as k1 from (select l.part, l.rtype, l.rid from locator l` +
    ` where ${types}${afterRow(find, bind, keys, 'l')} order by l.rtype, l.rid limit ${bind.int(walk)}) w` +
    ' join resource r on r.part = w.part and r.rtype = w.rtype and r.rid = w.rid' +
    ` where ${where(find, bind, 'filter')} order by w.rtype, w.rid limit ${bind.int(limit)}`
  );
}

/** The bound on the first key is separate so that it can be an index bound; ties go on by row. */
function afterKeyed(
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
  let keyset = '';
  if (keys.length > 0) {
    const [lu, rtype, rid] = keys as [string, number, string];
    const than = descending ? '<' : '>';
    keyset = ` and (r.lu, r.rtype, r.rid) ${than} (${bind.bigint(BigInt(lu))}, ${bind.smallint(rtype)}, ${bind.bigint(BigInt(rid))})`;
  }
  const way = descending ? 'desc' : 'asc';
  return (
    `select ${COLUMNS}, r.lu as k0, r.rtype as k1, r.rid as k2 from resource r where ${where(find, bind)}${keyset}` +
    ` order by r.lu ${way}, r.rtype ${way}, r.rid ${way} limit ${bind.int(limit)}`
  );
}

/**
 * Dated rows in clinical order. Read from `idx_sorted` where a sorted term is known, else from the timeline index
 * where the patient is; ties run the way the index does. A compartment is read in two halves, since its rows stand
 * under the patient column or, when in several compartments, under a term.
 */
function byClinicalTime(
  find: Find,
  bind: Binder,
  keys: Position['keys'],
  limit: number,
  descending: boolean,
): string {
  const way = descending ? 'desc' : 'asc';
  const back = descending ? 'asc' : 'desc';
  const max = bind.int(limit);
  const union = (a: string, b: string) =>
    `select * from ((${a}) union all (${b})) u order by k0 ${way}, k1 ${back}, k2 ${back} limit ${max}`;
  const select = (condition: Condition) =>
    `select ${COLUMNS}, r.at as k0, r.rtype as k1, r.rid as k2 from resource r` +
    ` where ${where(find, bind, 'set', condition)} and r.at is not null` +
    `${afterKeyed(bind, keys, 'r.at', '(r.rtype, r.rid)', descending)}` +
    ` order by r.at ${way}, r.rtype ${back}, r.rid ${back} limit ${max}`;
  const withTerm = (term: bigint, rest: readonly Condition[]) =>
    select(every([{ kind: 'terms', all: true, terms: [term], anyType: true }, ...rest]));
  if (find.sortedTerm !== undefined) {
    const sorted =
      `select ${COLUMNS}, s.at as k0, r.rtype as k1, s.rid as k2 from idx_sorted s` +
      ' join resource r on r.part = s.part and r.rtype = s.rtype and r.rid = s.rid' +
      ` where s.term = ${bind.bigint(find.sortedTerm)} and ${where(find, bind, 'set', find.condition, true)}` +
      `${afterKeyed(bind, keys, 's.at', '(s.rtype, s.rid)', descending)}` +
      ` order by s.at ${way}, s.rid ${back} limit ${max}`;
    return find.sharedTerm === undefined
      ? sorted
      : union(sorted, withTerm(find.sharedTerm, conjuncts(find.condition)));
  }
  const all = conjuncts(find.condition);
  const compartment = all.find((c) => c.kind === 'compartment');
  if (!compartment) return select(find.condition);
  const rest = all.filter((c) => c !== compartment);
  const own = select(every([{ kind: 'patient', pkey: compartment.pkey }, ...rest]));
  return union(own, withTerm(compartment.shared, rest));
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

/** A key turned so that ascending order is the wanted one and a missing value comes last. */
function keyExpression(key: SqlKey, bind: Binder): string {
  if (key.from === 'updated') return key.descending ? '-r.lu' : 'r.lu';
  const same = 'k.part = r.part and k.rtype = r.rtype and k.rid = r.rid';
  const value = key.descending ? '-max(k.lo)' : 'min(k.lo)';
  return key.from === 'date'
    ? `coalesce((select ${value} from idx_date k where ${same} and k.param = ${bind.bigint(key.param)}), ${NO_BIGINT})`
    : `coalesce((select ${value} from idx_quantity k where ${same} and k.term = ${bind.bigint(key.term)}), ${NO_DOUBLE})`;
}

/** How many rows match. A whole type is counted in the locator, less its few deleted rows. */
export function countStatement(find: Find): Statement {
  const bind = new Binder();
  if (find.condition.kind === 'everything') {
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

/** The planner's own guess of how many rows match; costs no more than planning. */
export function estimateStatement(find: Find): Statement {
  const bind = new Binder();
  return done(bind, `explain (format json) select 1 from resource r where ${where(find, bind)}`);
}

/** Reads a row of `rowsStatement` back. Bigints may come as text or as BigInt, as the driver is set. */
export function foundRow(columns: Record<string, unknown>, order: Order): FoundRow {
  const n =
    order.kind === 'keys' ? order.keys.length + 2 : order.kind === 'row' || order.kind === 'bodies' ? 2 : 3;
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
