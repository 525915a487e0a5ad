import { ChainSets } from './chain-sets.js';
import { type Bounds, type Condition, impliesType, isDeep, type RowTest } from './condition.js';

/** Collects the values of one statement; every value is bound, none is ever written into the text. */
export class Binder {
  readonly values: unknown[] = [];

  bigint(value: bigint | number): string {
    this.values.push(String(value));
    return `$${this.values.length}::bigint`;
  }
  bigints(values: readonly (bigint | number)[]): string {
    this.values.push(values.map(String));
    return `$${this.values.length}::bigint[]`;
  }
  int(value: number): string {
    this.values.push(value);
    return `$${this.values.length}::int`;
  }
  smallint(value: number): string {
    this.values.push(value);
    return `$${this.values.length}::smallint`;
  }
  smallints(values: readonly number[]): string {
    this.values.push([...values]);
    return `$${this.values.length}::smallint[]`;
  }
  /** The driver sends the shortest decimal text that reads back as the same double. */
  double(value: number): string {
    this.values.push(value);
    return `$${this.values.length}::float8`;
  }
  boolean(value: boolean): string {
    this.values.push(value);
    return `$${this.values.length}::boolean`;
  }
}

/**
 * How a disjunction that reaches into other tables is written. `set`: a semi-join with the union of its branches, each
 * of which has its own index; `filter`: OR'ed EXISTS, right when few rows are tested one by one.
 */
export type RenderStyle = 'set' | 'filter';

/** Renders conditions as SQL predicates on an alias of `resource`. */
export class Renderer {
  #aliases = 0;
  /** The sets of the deep chain that is being written. */
  #sets: ChainSets | undefined;

  constructor(
    readonly bind: Binder,
    private readonly style: RenderStyle = 'set',
  ) {}

  /** `types` are the resource types that rows of `r` can have. */
  predicate(c: Condition, r: string, types: readonly number[]): string {
    const b = this.bind;
    if (isDeep(c) && c.kind !== 'and') return this.#deep(c, r, types);
    switch (c.kind) {
      case 'everything':
        return 'true';
      case 'nothing':
        return 'false';
      case 'terms':
        return `${r}.terms ${c.all ? '@>' : '&&'} ${b.bigints(c.terms)}`;
      case 'rids': {
        // Ids are found through the locator: the resource's own key begins with its part.
        const l = this.alias('l');
        const ofType = this.predicate({ kind: 'types', types }, l, types);
        return (
          `(${r}.part, ${r}.rtype, ${r}.rid) in (select ${l}.part, ${l}.rtype, ${l}.rid from locator ${l}` +
          ` where ${ofType} and ${l}.rid = any(${b.bigints(c.rids)}))`
        );
      }
      case 'types':
        return c.types.length === 1
          ? `${r}.rtype = ${b.smallint(c.types[0]!)}`
          : `${r}.rtype = any(${b.smallints(c.types)})`;
      case 'updated':
        return this.#range(`${r}.lu`, c.min, c.max);
      case 'clinical':
        return `(${r}.at is not null and ${this.#range(`${r}.at`, c.min, c.max)})`;
      case 'undated':
        return `${r}.at is null`;
      case 'derived':
        return c.is ? `${r}.derived` : `not ${r}.derived`;
      case 'patient':
        return `${r}.pkey = ${b.bigint(c.pkey)}`;
      case 'compartment':
        return `(${r}.pkey = ${b.bigint(c.pkey)} or ${r}.terms @> ${b.bigints([c.shared])})`;
      case 'date':
      case 'quantity':
      case 'reference':
        return this.#rows({ kind: 'rows', table: c.kind, every: [[c]] }, r);
      case 'rows':
        return this.#rows(c, r);
      case 'chain':
        return c.canonical === undefined ? this.#chain(c, r) : this.#chainByName(c, c.canonical, r);
      case 'has': {
        const f = this.alias('f');
        const s = this.alias('s');
        const n = this.alias('n');
        const pointsAt =
          c.canonical === undefined
            ? `idx_reference ${f}`
            : `idx_reference ${n} join idx_reference ${f} on ${f}.target = ${n}.target`;
        const here =
          c.canonical === undefined
            ? `${f}.target = ${r}.rid`
            : `${this.sameRow(n, r)} and ${n}.param = ${b.bigint(c.canonical)}`;
        return (
          `exists (select 1 from ${pointsAt} join resource ${s} on ${this.sameRow(s, f)}` +
          ` where ${here} and ${f}.param = ${b.bigint(c.param)}` +
          ` and not ${s}.deleted and ${this.predicate(c.of, s, [c.sourceType])})`
        );
      }
      case 'and':
        return `(${c.of.map((x) => this.predicate(x, r, types)).join(' and ')})`;
      case 'or':
        return this.style === 'set' && c.of.some(reachesOut) && c.of.every(selects)
          ? this.#union(c.of, r, types)
          : `(${c.of.map((x) => this.predicate(x, r, types)).join(' or ')})`;
      case 'not':
        return `not (${this.predicate(c.of, r, types)})`;
    }
  }

  #chain(c: Extract<Condition, { kind: 'chain' }>, r: string): string {
    // The target is reached through the locator, since a reference knows its target's id but not its part.
    const f = this.alias('f');
    const l = this.alias('l');
    const t = this.alias('t');
    // Ids are hashed with their types: the type need be tested only where the condition is met by any type.
    const type = impliesType(c.of) ? '' : ` and ${f}.ttype = ${this.bind.smallint(c.targetType)}`;
    return (
      `exists (select 1 from idx_reference ${f} join locator ${l} on ${l}.rtype = ${f}.ttype and ${l}.rid = ${f}.target` +
      ` join resource ${t} on ${this.sameRow(t, l)} and ${t}.rid = ${f}.target` +
      ` where ${this.sameRow(f, r)} and ${f}.param = ${this.bind.bigint(c.param)}${type}` +
      ` and not ${t}.deleted and ${this.predicate(c.of, t, [c.targetType])})`
    );
  }

  /** By a canonical: a row of the target says what it is named. */
  #chainByName(c: Extract<Condition, { kind: 'chain' }>, canonical: bigint, r: string): string {
    const f = this.alias('f');
    const n = this.alias('n');
    const t = this.alias('t');
    return (
      `exists (select 1 from idx_reference ${f} join idx_reference ${n} on ${n}.target = ${f}.target` +
      ` and ${n}.param = ${this.bind.bigint(canonical)} and ${n}.rtype = ${this.bind.smallint(c.targetType)}` +
      ` join resource ${t} on ${this.sameRow(t, n)}` +
      ` where ${this.sameRow(f, r)} and ${f}.param = ${this.bind.bigint(c.param)}` +
      ` and not ${t}.deleted and ${this.predicate(c.of, t, [c.targetType])})`
    );
  }

  /** A row of a set that is made once, from the ends of the chains. */
  #deep(c: Condition, r: string, types: readonly number[]): string {
    const outer = this.#sets;
    const sets = outer ?? new ChainSets(this);
    this.#sets = sets;
    const name = sets.nameOf(c.kind === 'not' ? c.of : c, types);
    this.#sets = outer;
    const set = `${outer ? '' : `${sets.clause} `}select part, rtype, rid from ${name}`;
    if (c.kind === 'not') {
      const x = this.alias('x');
      return `not exists (select 1 from (${set}) ${x} where ${this.sameRow(x, r)})`;
    }
    // `is true` keeps the planner from reading the set anew for each row that is tested.
    const tested = this.style === 'filter' ? ' is true' : '';
    return `((${r}.part, ${r}.rtype, ${r}.rid) in (${set}))${tested}`;
  }

  /** OR'ed EXISTS are run once per row of the table; a union of sets is one semi-join with an index per branch. */
  #union(of: readonly Condition[], r: string, types: readonly number[]): string {
    const branches = of.map((c) => {
      const x = this.alias('x');
      const ofType = impliesType(c) ? '' : `${this.predicate({ kind: 'types', types }, x, types)} and `;
      return `select ${x}.part, ${x}.rtype, ${x}.rid from resource ${x} where ${ofType}not ${x}.deleted and ${this.predicate(c, x, types)}`;
    });
    return `(${r}.part, ${r}.rtype, ${r}.rid) in (${branches.join(' union all ')})`;
  }

  alias(letter: string): string {
    return `${letter}${this.#aliases++}`;
  }

  sameRow(a: string, r: string): string {
    return `${a}.part = ${r}.part and ${a}.rtype = ${r}.rtype and ${a}.rid = ${r}.rid`;
  }

  #range(column: string, min: number | undefined, max: number | undefined): string {
    const parts: string[] = [];
    if (min !== undefined) parts.push(`${column} >= ${this.bind.bigint(min)}`);
    if (max !== undefined) parts.push(`${column} <= ${this.bind.bigint(max)}`);
    return parts.length === 0 ? 'true' : parts.length === 1 ? parts[0]! : `(${parts.join(' and ')})`;
  }

  #rows(c: Extract<Condition, { kind: 'rows' }>, r: string): string {
    const x = this.alias(c.table[0]!);
    return `exists (select 1 from idx_${c.table} ${x} where ${this.sameRow(x, r)}${this.rowTests(c, x)})`;
  }

  /** The tests on one row of the table, each part preceded by ` and `. */
  rowTests(c: Extract<Condition, { kind: 'rows' }>, x: string): string {
    const [first] = c.every.flat();
    const head = headOf(first!);
    const common = c.every.flat().every((t) => headOf(t) === head);
    let out = common ? this.#head(first!, x) : '';
    for (const any of c.every) {
      const together = common && any.length > 1;
      const tests = any.map((t) => [
        ...(common ? [] : [this.#head(t, x).slice(5)]),
        ...this.#tests(t, x, together),
      ]);
      if (tests.some((t) => t.length === 0)) continue;
      if (together) out += this.#implied(any, x);
      out +=
        tests.length === 1
          ? ` and ${tests[0]!.join(' and ')}`
          : ` and (${tests.map((t) => `(${t.join(' and ')})`).join(' or ')})`;
    }
    return out;
  }

  /** The equality that enters the index. */
  #head(t: RowTest, x: string): string {
    if (t.kind !== 'quantity') return ` and ${x}.param = ${this.bind.bigint(t.param)}`;
    const unit = t.unit === undefined ? '' : ` and ${x}.unit = ${this.bind.bigint(t.unit)}`;
    return ` and ${x}.term = ${this.bind.bigint(t.term)}${unit}`;
  }

  /** `implied`: the rows are found by what all alternatives imply, and this one is tested alone. */
  #tests(t: RowTest, x: string, implied: boolean): string[] {
    if (t.kind === 'reference') {
      if (t.target !== undefined) return [`${x}.target = ${this.bind.bigint(t.target)}`];
      return t.targetType === undefined ? [] : [`${x}.ttype = ${this.bind.smallint(t.targetType)}`];
    }
    return implied ? this.#bounds(t.kind, t, x) : this.#found(t.kind, t, x);
  }

  /** Bounds on a row; a bound on `hi` implies one on `lo`, whose index it then closes. */
  #bounds(kind: RangeKind, t: Bounds, x: string): string[] {
    const as = kind === 'date' ? 'bigint' : 'double';
    const tests: string[] = [];
    const loMax = Math.min(t.loMax ?? Infinity, t.hiMax ?? Infinity);
    if (t.loMin !== undefined) tests.push(`${x}.lo >= ${this.bind[as](t.loMin)}`);
    if (loMax !== Infinity) tests.push(`${x}.lo <= ${this.bind[as](loMax)}`);
    if (t.hiMin !== undefined) tests.push(`${x}.hi >= ${this.bind[as](t.hiMin)}`);
    if (t.hiMax !== undefined) tests.push(`${x}.hi <= ${this.bind[as](t.hiMax)}`);
    return tests;
  }

  /**
   * The bounds for the rows to be found by: a range of `hi` alone is one of `lo` for the rows that are short, and the
   * few long ones have an index of their own by `hi`. Written so, the whole of it is found by ranges of indexes.
   */
  #found(kind: RangeKind, t: Bounds, x: string): string[] {
    if (t.hiMin === undefined || t.loMin !== undefined) return this.#bounds(kind, t, x);
    const short = [shortRow(kind, x), ...this.#bounds(kind, { ...t, loMin: t.hiMin - SHORT[kind] }, x)];
    const long = [`not (${shortRow(kind, x)})`, ...this.#bounds(kind, t, x)];
    return [`(${short.join(' and ')} or ${long.join(' and ')})`];
  }

  /** A bound that every alternative implies, since lo ≤ hi: it makes one range of the index of them. */
  #implied(any: readonly RowTest[], x: string): string {
    const bounds = any.map((t) => (t.kind === 'reference' ? {} : (t as Bounds)));
    const hiMin = leastOf(bounds.map((b) => b.hiMin ?? b.loMin));
    const loMax = mostOf(bounds.map((b) => b.loMax ?? b.hiMax));
    const kind = any[0]!.kind === 'quantity' ? 'quantity' : 'date';
    const all = { ...(hiMin === undefined ? {} : { hiMin }), ...(loMax === undefined ? {} : { loMax }) };
    return this.#found(kind, all, x)
      .map((test) => ` and ${test}`)
      .join('');
  }
}

type RangeKind = 'date' | 'quantity';

/**
 * Length up to which a row counts as short; the migration that made the indexes has it too. Dates are said to the month
 * at worst but for a few, in milliseconds; quantities are points.
 */
const SHORT: Readonly<Record<RangeKind, number>> = { date: 31 * 86_400_000, quantity: 0 };

function shortRow(kind: RangeKind, x: string): string {
  return kind === 'date' ? `${x}.hi - ${x}.lo <= ${SHORT.date}` : `${x}.hi <= ${x}.lo`;
}

function leastOf(list: readonly (number | undefined)[]): number | undefined {
  return list.every((v) => v !== undefined) ? Math.min(...(list as number[])) : undefined;
}

function mostOf(list: readonly (number | undefined)[]): number | undefined {
  return list.every((v) => v !== undefined) ? Math.max(...(list as number[])) : undefined;
}

function headOf(t: RowTest): string {
  return t.kind === 'quantity' ? `${t.term} ${t.unit}` : `${t.param}`;
}

/** Whether the condition needs another table than `resource` itself. */
export function reachesOut(c: Condition): boolean {
  switch (c.kind) {
    case 'date':
    case 'quantity':
    case 'reference':
    case 'rows':
    case 'chain':
    case 'has':
      return true;
    case 'and':
    case 'or':
      return c.of.some(reachesOut);
    case 'not':
      return reachesOut(c.of);
    default:
      return false;
  }
}

/** Whether an index can find the rows of the condition, rather than only test them. */
function selects(c: Condition): boolean {
  switch (c.kind) {
    case 'terms':
    case 'rids':
    case 'patient':
    case 'compartment':
    case 'date':
    case 'quantity':
    case 'reference':
    case 'rows':
    case 'chain':
    case 'has':
      return true;
    case 'and':
      return c.of.some(selects);
    case 'or':
      return c.of.every(selects);
    default:
      return false;
  }
}
