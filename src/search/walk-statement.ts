import { RESOURCE_TYPES } from '../fhir/resource-types.js';
import { type Condition, conjuncts, every } from './condition.js';
import type { Position } from './cursor.js';
import { Binder, Renderer } from './render.js';
import {
  afterKeyed,
  afterRow,
  COLUMNS,
  clinicalOrder,
  clinicalSelect,
  compartmentOf,
  type Find,
  type Statement,
  where,
} from './statement.js';

/**
 * A walk reads the next rows of an index that has the order already (its spine) and tests each: right where matches are
 * frequent along it. The LIMIT inside LATERAL keeps the planner from turning the walk into a join of whole tables,
 * which it would for its guess that three equal columns make one row of thousands.
 */
export interface Spine {
  /** `select part, rtype, rid[, at] from … order by … limit …`: the rows to test. */
  readonly rows: (bind: Binder, after: Position, length: number) => string;
  /** Selects the whole spine, for its length to be estimated. */
  readonly whole: (bind: Binder) => string;
  /** Matches that are not on the spine: those in several compartments. */
  readonly beside: Condition | undefined;
  readonly clinical: boolean;
  /** Names the spine, for its estimated length to be kept. */
  readonly name: string;
  /** What the spine implies and need not be tested again. */
  readonly rest: Condition | undefined;
}

/** The spine of a find within its phase; undefined where no index has its order. */
export function spineOf(find: Find, phase: number): Spine | undefined {
  if (find.order.kind === 'row') return rowSpine(find);
  if (find.order.kind !== 'clinical' || phase !== 0) return undefined;
  const { descending } = find.order;
  const { compartment, rest } = compartmentOf(find);
  if (find.sortedTerm !== undefined) return sortedSpine(find, find.sortedTerm, descending);
  if (!compartment) return undefined;
  const own = (bind: Binder) =>
    `r.pkey = ${bind.bigint(compartment.pkey)} and not r.deleted and r.at is not null${typeTest(find, bind, 'r')}`;
  return {
    clinical: true,
    name: `patient ${compartment.pkey}`,
    rows: (bind, after, length) =>
      `select r.part, r.rtype, r.rid, r.at from resource r where ${own(bind)}` +
      `${afterKeyed(bind, after.keys, 'r.at', '(r.rtype, r.rid)', descending)}` +
      ` order by ${clinicalOrder(descending)('r.at', 'r.rtype', 'r.rid')} limit ${bind.int(length)}`,
    whole: (bind) =>
      `select 1 from resource r where r.pkey = ${bind.bigint(compartment.pkey)} and not r.deleted`,
    beside: { kind: 'terms', all: true, terms: [compartment.shared], anyType: true },
    rest: rest.length === 0 ? { kind: 'everything' } : { kind: 'and', of: rest },
  };
}

function rowSpine(find: Find): Spine {
  return {
    clinical: false,
    name: `locator ${find.types.join(',')}`,
    rows: (bind, after, length) =>
      `select l.part, l.rtype, l.rid from locator l where true${typeTest(find, bind, 'l')}` +
      `${afterRow(find, bind, after.keys, 'l')} order by l.rtype, l.rid limit ${bind.int(length)}`,
    whole: (bind) => `select 1 from locator l where true${typeTest(find, bind, 'l')}`,
    beside: undefined,
    rest: undefined,
  };
}

function sortedSpine(find: Find, term: bigint, descending: boolean): Spine {
  const shared = find.sharedTerm;
  return {
    clinical: true,
    name: `sorted ${term}`,
    // One term has rows of one type: the type is no part of the order.
    rows: (bind, after, length) =>
      `select s.part, s.rtype, s.rid, s.at from idx_sorted s where s.term = ${bind.bigint(term)}` +
      `${afterKeyed(bind, after.keys, 's.at', '(s.rtype, s.rid)', descending)}` +
      ` order by s.at ${descending ? 'desc' : 'asc'}, s.rid ${descending ? 'asc' : 'desc'} limit ${bind.int(length)}`,
    whole: (bind) => `select 1 from idx_sorted s where s.term = ${bind.bigint(term)}`,
    beside: shared === undefined ? undefined : { kind: 'terms', all: true, terms: [shared], anyType: true },
    rest: undefined,
  };
}

function typeTest(find: Find, bind: Binder, alias: string): string {
  if (find.types.length >= RESOURCE_TYPES.length) return '';
  return ` and ${new Renderer(bind).predicate({ kind: 'types', types: find.types }, alias, find.types)}`;
}

/** Up to `limit` matches among the next `length` rows of the spine. */
export function walkStatement(
  find: Find,
  spine: Spine,
  after: Position,
  limit: number,
  length: number,
): Statement {
  const bind = new Binder();
  const single = find.types.length === 1;
  const order = !spine.clinical
    ? 'w.rtype, w.rid'
    : find.sortedTerm !== undefined && single && find.order.kind === 'clinical'
      ? `w.at ${find.order.descending ? 'desc' : 'asc'}, w.rid ${find.order.descending ? 'asc' : 'desc'}`
      : clinicalOrder(find.order.kind === 'clinical' && find.order.descending)('w.at', 'w.rtype', 'w.rid');
  const keys = spine.clinical ? 'w.at as k0, w.rtype as k1, w.rid as k2' : 'w.rtype as k0, w.rid as k1';
  const walk =
    `select ${COLUMNS}, ${keys} from (${spine.rows(bind, after, length)}) w cross join lateral` +
    ' (select r.* from resource r where r.part = w.part and r.rtype = w.rtype and r.rid = w.rid' +
    ` and ${where(find, bind, 'filter', spine.rest ?? find.condition, true)} limit 1) r` +
    ` order by ${order} limit ${bind.int(limit)}`;
  if (!spine.beside || find.order.kind !== 'clinical') return { text: walk, values: bind.values };
  const { descending } = find.order;
  const rest = conjuncts(spine.rest ?? find.condition);
  const beside = clinicalSelect(find, bind, after.keys, limit, descending, every([spine.beside, ...rest]));
  const text =
    `select * from ((${walk}) union all (${beside})) u` +
    ` order by ${clinicalOrder(descending)('k0', 'k1', 'k2')} limit ${bind.int(limit)}`;
  return { text, values: bind.values };
}

/** How many rows are left on the spine, counted up to `length`. */
export function spineLeftStatement(spine: Spine, after: Position, length: number): Statement {
  const bind = new Binder();
  return { text: `select count(*) as n from (${spine.rows(bind, after, length)}) w`, values: bind.values };
}
