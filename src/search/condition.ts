/**
 * A condition on one `resource` row in terms of the index tables: what a tree of search parameters is compiled to.
 * Small named rewrites bring it into the form that has the best SQL; `render.ts` writes that SQL.
 */
export type Condition =
  /** The row has all (`all`) or any of the terms. A term belongs to one resource type unless `anyType`. */
  | {
      readonly kind: 'terms';
      readonly all: boolean;
      readonly terms: readonly bigint[];
      readonly anyType?: boolean;
    }
  | RowTest
  /** One row of an index table for which every list holds, each by any of its tests. */
  | {
      readonly kind: 'rows';
      readonly table: RowTest['kind'];
      readonly every: readonly (readonly RowTest[])[];
    }
  /** Instant of the last update, ms, inclusive bounds. */
  | { readonly kind: 'updated'; readonly min: number | undefined; readonly max: number | undefined }
  /** Clinical time, ms, inclusive bounds; undated rows do not match. */
  | { readonly kind: 'clinical'; readonly min: number | undefined; readonly max: number | undefined }
  | { readonly kind: 'undated' }
  | { readonly kind: 'derived'; readonly is: boolean }
  | { readonly kind: 'rids'; readonly rids: readonly bigint[] }
  | { readonly kind: 'types'; readonly types: readonly number[] }
  /** The patient column: in this compartment and no other. */
  | { readonly kind: 'patient'; readonly pkey: bigint }
  /** In this compartment: by the patient column, or by `shared` where the resource is in several. */
  | { readonly kind: 'compartment'; readonly pkey: bigint; readonly shared: bigint }
  /** `canonical`: the reference is by name, and this is the `param` of the rows that say what a resource is named. */
  | {
      readonly kind: 'chain';
      readonly param: bigint;
      readonly targetType: number;
      readonly canonical?: bigint;
      readonly of: Condition;
    }
  | {
      readonly kind: 'has';
      readonly sourceType: number;
      readonly param: bigint;
      readonly canonical?: bigint;
      readonly of: Condition;
    }
  | { readonly kind: 'and'; readonly of: readonly Condition[] }
  | { readonly kind: 'or'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  | { readonly kind: 'everything' }
  | { readonly kind: 'nothing' };

/** A test of one row of `idx_date`, `idx_quantity` or `idx_reference`. */
export type RowTest =
  | ({
      readonly kind: 'date';
      readonly param: bigint;
      /** A resource has at most one row of the parameter. */
      readonly single?: boolean;
    } & Bounds)
  | ({ readonly kind: 'quantity'; readonly term: bigint; readonly unit: bigint | undefined } & Bounds)
  | {
      readonly kind: 'reference';
      readonly param: bigint;
      readonly targetType: number | undefined;
      readonly target: bigint | undefined;
    };

/** Bounds on an index row's `lo` and `hi`; all given ones hold. */
export interface Bounds {
  readonly loMin?: number;
  readonly loMax?: number;
  readonly hiMin?: number;
  readonly hiMax?: number;
}

export const ALWAYS: Condition = { kind: 'everything' };
export const NEVER: Condition = { kind: 'nothing' };

export function every(of: readonly Condition[]): Condition {
  return of.length === 1 ? of[0]! : { kind: 'and', of };
}

/** Applies `step` bottom-up to every condition, once to one that stands in several places and still does. */
function rewrite(condition: Condition, step: (c: Condition) => Condition): Condition {
  const done = new Map<Condition, Condition>();
  const visit = (c: Condition): Condition => {
    let result = done.get(c);
    if (!result) {
      result = step(inner(c));
      done.set(c, result);
    }
    return result;
  };
  const inner = (c: Condition): Condition => {
    switch (c.kind) {
      case 'and':
      case 'or':
        return { ...c, of: c.of.map(visit) };
      case 'not':
      case 'chain':
      case 'has':
        return { ...c, of: visit(c.of) } as Condition;
      default:
        return c;
    }
  };
  return visit(condition);
}

/** Steps of a chain written as one EXISTS in another; PostgreSQL's planner takes ever longer over more. */
const MAX_NESTED_STEPS = 2;
/** The same for all branches together: a chain without `:Type` goes to each target type. */
const MAX_NESTED_IN_ALL = 24;

interface Size {
  readonly steps: number;
  readonly inAll: number;
}

const sizes = new WeakMap<Condition, Size>();

function sizeOf(c: Condition): Size {
  let size = sizes.get(c);
  if (!size) {
    size = measure(c);
    sizes.set(c, size);
  }
  return size;
}

function measure(c: Condition): Size {
  switch (c.kind) {
    case 'chain':
    case 'has': {
      const { steps, inAll } = sizeOf(c.of);
      return { steps: steps + 1, inAll: inAll + 1 };
    }
    case 'not':
      return sizeOf(c.of);
    case 'and':
    case 'or': {
      let steps = 0;
      let inAll = 0;
      for (const part of c.of) {
        const size = sizeOf(part);
        steps = Math.max(steps, size.steps);
        inAll += size.inAll;
      }
      return { steps, inAll };
    }
    default:
      return { steps: 0, inAll: 0 };
  }
}

/** Whether its chains are too deep or too many to be nested: they are then followed set by set, from their ends. */
export function isDeep(c: Condition): boolean {
  const { steps, inAll } = sizeOf(c);
  return steps > MAX_NESTED_STEPS || inAll > MAX_NESTED_IN_ALL;
}

/** Flattens nested conjunctions and disjunctions, and lets `everything` and `nothing` take effect. */
export function simplify(condition: Condition): Condition {
  return rewrite(condition, (c) => {
    if (c.kind === 'and') {
      const of = c.of.flatMap((x) => (x.kind === 'and' ? x.of : [x])).filter((x) => x.kind !== 'everything');
      if (of.some((x) => x.kind === 'nothing')) return NEVER;
      return of.length === 0 ? ALWAYS : every(of);
    }
    if (c.kind === 'or') {
      const of = c.of.flatMap((x) => (x.kind === 'or' ? x.of : [x])).filter((x) => x.kind !== 'nothing');
      if (of.some((x) => x.kind === 'everything')) return ALWAYS;
      return of.length === 0 ? NEVER : of.length === 1 ? of[0]! : { kind: 'or', of };
    }
    if (c.kind === 'not') {
      if (c.of.kind === 'not') return c.of.of;
      if (c.of.kind === 'everything') return NEVER;
      if (c.of.kind === 'nothing') return ALWAYS;
    }
    if (c.kind === 'terms' && c.terms.length === 0) return c.all ? ALWAYS : NEVER;
    if (c.kind === 'rids' && c.rids.length === 0) return NEVER;
    if ((c.kind === 'chain' || c.kind === 'has') && c.of.kind === 'nothing') return NEVER;
    return c;
  });
}

/**
 * One GIN lookup for all terms AND'ed together, and one for single terms OR'ed together: `@>` intersects the posting
 * lists inside the index instead of fetching rows for each.
 */
export function mergeTerms(condition: Condition): Condition {
  return rewrite(condition, (c) => {
    if (c.kind === 'and') {
      const exact = c.of.filter((x) => x.kind === 'terms' && !x.anyType && (x.all || x.terms.length === 1));
      if (exact.length < 2) return c;
      const terms = [...new Set(exact.flatMap((x) => (x.kind === 'terms' ? x.terms : [])))];
      return every([{ kind: 'terms', all: true, terms }, ...c.of.filter((x) => !exact.includes(x))]);
    }
    if (c.kind === 'or') {
      const single = c.of.filter((x) => x.kind === 'terms' && !x.anyType && (!x.all || x.terms.length === 1));
      if (single.length < 2) return c;
      const terms = [...new Set(single.flatMap((x) => (x.kind === 'terms' ? x.terms : [])))];
      const rest = c.of.filter((x) => !single.includes(x));
      const merged: Condition = { kind: 'terms', all: false, terms };
      return rest.length === 0 ? merged : { kind: 'or', of: [merged, ...rest] };
    }
    return c;
  });
}

/**
 * One look into an index table for tests OR'ed together (`ge` alone is two: OR'ed EXISTS would each be run row by row),
 * and for two bounds on a date that a resource has once (`date=ge2020&date=lt2021` is then one range of the index).
 */
export function gatherRows(condition: Condition): Condition {
  return rewrite(condition, (c) => {
    if (isRowTest(c)) return { kind: 'rows', table: c.kind, every: [[c]] };
    if (c.kind === 'or')
      return joined(c, (a, b) =>
        a.every.length === 1 && b.every.length === 1 ? [[...a.every[0]!, ...b.every[0]!]] : undefined,
      );
    if (c.kind === 'and')
      return joined(c, (a, b) => (ofOneRow(a) && ofOneRow(b) ? [...a.every, ...b.every] : undefined));
    return c;
  });
}

type Rows = Extract<Condition, { kind: 'rows' }>;

/** Puts together those parts that look into the same table and that `join` can make one. */
function joined(
  c: Extract<Condition, { kind: 'and' | 'or' }>,
  join: (a: Rows, b: Rows) => Rows['every'] | undefined,
): Condition {
  const of: Condition[] = [];
  for (const part of c.of) {
    const at =
      part.kind === 'rows'
        ? of.findIndex(
            (x) => x.kind === 'rows' && x.table === part.table && sameParam(x, part) && join(x, part),
          )
        : -1;
    const before = of[at];
    if (before?.kind === 'rows' && part.kind === 'rows') of[at] = { ...before, every: join(before, part)! };
    else of.push(part);
  }
  return of.length === 1 ? of[0]! : { kind: c.kind, of };
}

/** Tests of different parameters stay apart: their rows lie far from each other in the index. */
function sameParam(a: Rows, b: Rows): boolean {
  const params = new Set([...a.every, ...b.every].flat().map((t) => (t.kind === 'quantity' ? 0n : t.param)));
  return params.size === 1;
}

function ofOneRow(rows: Rows): boolean {
  return rows.every.flat().every((t) => t.kind === 'date' && t.single === true);
}

function isRowTest(c: Condition): c is RowTest {
  return c.kind === 'date' || c.kind === 'quantity' || c.kind === 'reference';
}

/** Whether only rows of the type whose parameters were compiled can meet the condition. */
export function impliesType(c: Condition): boolean {
  switch (c.kind) {
    case 'terms':
      return c.anyType !== true;
    case 'rids':
    case 'date':
    case 'quantity':
    case 'reference':
    case 'rows':
    case 'chain':
    case 'types':
      return true;
    case 'and':
      return c.of.some(impliesType);
    case 'or':
      return c.of.every(impliesType);
    default:
      return false;
  }
}

/** Several bounds on `_lastUpdated` or on the clinical time become one range. */
export function mergeRanges(condition: Condition): Condition {
  return rewrite(condition, (c) => {
    if (c.kind !== 'and') return c;
    let of = c.of;
    for (const kind of ['updated', 'clinical'] as const) {
      const ranges = of.filter((x) => x.kind === kind);
      if (ranges.length < 2) continue;
      const mins = ranges.flatMap((x) => ('min' in x && x.min !== undefined ? [x.min] : []));
      const maxs = ranges.flatMap((x) => ('max' in x && x.max !== undefined ? [x.max] : []));
      const merged: Condition = {
        kind,
        min: mins.length ? Math.max(...mins) : undefined,
        max: maxs.length ? Math.min(...maxs) : undefined,
      };
      of = [...of.filter((x) => x.kind !== kind), merged];
    }
    return every(of);
  });
}

/** The rewrites in the order that lets each see what the one before it made. */
export function optimize(condition: Condition): Condition {
  return simplify(mergeRanges(gatherRows(mergeTerms(simplify(condition)))));
}

/** The conjuncts of a condition. */
export function conjuncts(condition: Condition): readonly Condition[] {
  return condition.kind === 'and' ? condition.of : condition.kind === 'everything' ? [] : [condition];
}

function printBounds(b: Bounds): string {
  const parts: string[] = [];
  if (b.loMin !== undefined) parts.push(`lo>=${b.loMin}`);
  if (b.loMax !== undefined) parts.push(`lo<=${b.loMax}`);
  if (b.hiMin !== undefined) parts.push(`hi>=${b.hiMin}`);
  if (b.hiMax !== undefined) parts.push(`hi<=${b.hiMax}`);
  return parts.join(' ');
}

/** The condition as one line, for tests and logs: it holds blind numbers only. */
export function printCondition(c: Condition): string {
  switch (c.kind) {
    case 'and':
    case 'or':
      return `(${c.kind} ${c.of.map(printCondition).join(' ')})`;
    case 'not':
      return `(not ${printCondition(c.of)})`;
    case 'terms':
      return `${c.all ? 'all' : 'any'}[${c.terms.join(' ')}]`;
    case 'date':
      return `date[${c.param} ${printBounds(c)}]`;
    case 'quantity':
      return `quantity[${c.term}${c.unit === undefined ? '' : ` unit=${c.unit}`} ${printBounds(c)}]`;
    case 'reference':
      return `reference[${c.param} ${c.targetType ?? '*'}/${c.target ?? '*'}]`;
    case 'rows':
      return `(row ${c.every.map((any) => any.map(printCondition).join(' or ')).join(' and ')})`;
    case 'updated':
    case 'clinical':
      return `${c.kind}[${c.min ?? ''}..${c.max ?? ''}]`;
    case 'derived':
      return c.is ? 'derived' : 'recorded';
    case 'rids':
      return `rids[${c.rids.join(' ')}]`;
    case 'types':
      return `types[${c.types.join(' ')}]`;
    case 'patient':
    case 'compartment':
      return `${c.kind}[${c.pkey}]`;
    case 'chain':
      return `(chain ${c.param} ${c.targetType} ${printCondition(c.of)})`;
    case 'has':
      return `(has ${c.sourceType} ${c.param} ${printCondition(c.of)})`;
    default:
      return c.kind;
  }
}
