import type { Bounds, Condition } from './condition.js';

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

  constructor(
    readonly bind: Binder,
    private readonly style: RenderStyle = 'set',
  ) {}

  /** `types` are the resource types that rows of `r` can have. */
  predicate(c: Condition, r: string, types: readonly number[]): string {
    const b = this.bind;
    switch (c.kind) {
      case 'everything':
        return 'true';
      case 'nothing':
        return 'false';
      case 'terms':
        return `${r}.terms ${c.all ? '@>' : '&&'} ${b.bigints(c.terms)}`;
      case 'rids':
        return c.rids.length === 1
          ? `${r}.rid = ${b.bigint(c.rids[0]!)}`
          : `${r}.rid = any(${b.bigints(c.rids)})`;
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
      case 'date': {
        const d = this.#alias('d');
        return `exists (select 1 from idx_date ${d} where ${this.#sameRow(d, r)} and ${d}.param = ${b.bigint(c.param)}${this.#bounds(d, c, 'bigint')})`;
      }
      case 'quantity': {
        const q = this.#alias('q');
        const unit = c.unit === undefined ? '' : ` and ${q}.unit = ${b.bigint(c.unit)}`;
        return `exists (select 1 from idx_quantity ${q} where ${this.#sameRow(q, r)} and ${q}.term = ${b.bigint(c.term)}${unit}${this.#bounds(q, c, 'double')})`;
      }
      case 'reference': {
        const f = this.#alias('f');
        const type = c.targetType === undefined ? '' : ` and ${f}.ttype = ${b.smallint(c.targetType)}`;
        const target = c.target === undefined ? '' : ` and ${f}.target = ${b.bigint(c.target)}`;
        return `exists (select 1 from idx_reference ${f} where ${this.#sameRow(f, r)} and ${f}.param = ${b.bigint(c.param)}${type}${target})`;
      }
      case 'chain': {
        // The target is reached through the locator, since a reference knows its target's id but not its part.
        const f = this.#alias('f');
        const l = this.#alias('l');
        const t = this.#alias('t');
        return (
          `exists (select 1 from idx_reference ${f} join locator ${l} on ${l}.rtype = ${f}.ttype and ${l}.rid = ${f}.target` +
          ` join resource ${t} on ${this.#sameRow(t, l)}` +
          ` where ${this.#sameRow(f, r)} and ${f}.param = ${b.bigint(c.param)} and ${f}.ttype = ${b.smallint(c.targetType)}` +
          ` and not ${t}.deleted and ${this.predicate(c.of, t, [c.targetType])})`
        );
      }
      case 'has': {
        const f = this.#alias('f');
        const s = this.#alias('s');
        return (
          `exists (select 1 from idx_reference ${f} join resource ${s} on ${this.#sameRow(s, f)}` +
          ` where ${f}.target = ${r}.rid and ${f}.ttype = ${r}.rtype and ${f}.param = ${b.bigint(c.param)}` +
          ` and ${f}.rtype = ${b.smallint(c.sourceType)} and not ${s}.deleted and ${this.predicate(c.of, s, [c.sourceType])})`
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

  /** OR'ed EXISTS are run once per row of the table; a union of sets is one semi-join with an index per branch. */
  #union(of: readonly Condition[], r: string, types: readonly number[]): string {
    const branches = of.map((c) => {
      const x = this.#alias('x');
      const ofType = this.predicate({ kind: 'types', types }, x, types);
      return `select ${x}.part, ${x}.rtype, ${x}.rid from resource ${x} where ${ofType} and not ${x}.deleted and ${this.predicate(c, x, types)}`;
    });
    return `(${r}.part, ${r}.rtype, ${r}.rid) in (${branches.join(' union all ')})`;
  }

  #alias(letter: string): string {
    return `${letter}${this.#aliases++}`;
  }

  #sameRow(a: string, r: string): string {
    return `${a}.part = ${r}.part and ${a}.rtype = ${r}.rtype and ${a}.rid = ${r}.rid`;
  }

  #range(column: string, min: number | undefined, max: number | undefined): string {
    const parts: string[] = [];
    if (min !== undefined) parts.push(`${column} >= ${this.bind.bigint(min)}`);
    if (max !== undefined) parts.push(`${column} <= ${this.bind.bigint(max)}`);
    return parts.length === 0 ? 'true' : parts.length === 1 ? parts[0]! : `(${parts.join(' and ')})`;
  }

  #bounds(alias: string, bounds: Bounds, as: 'bigint' | 'double'): string {
    let out = '';
    if (bounds.loMin !== undefined) out += ` and ${alias}.lo >= ${this.bind[as](bounds.loMin)}`;
    if (bounds.loMax !== undefined) out += ` and ${alias}.lo <= ${this.bind[as](bounds.loMax)}`;
    if (bounds.hiMin !== undefined) out += ` and ${alias}.hi >= ${this.bind[as](bounds.hiMin)}`;
    if (bounds.hiMax !== undefined) out += ` and ${alias}.hi <= ${this.bind[as](bounds.hiMax)}`;
    return out;
  }
}

/** Whether the condition needs another table than `resource` itself. */
export function reachesOut(c: Condition): boolean {
  switch (c.kind) {
    case 'date':
    case 'quantity':
    case 'reference':
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
