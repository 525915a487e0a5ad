import { type Condition, impliesType } from './condition.js';
import type { Renderer } from './render.js';

/**
 * Chains that are too deep to be nested are followed from their ends: each step is a set of rows, made once of the set
 * before it, and PostgreSQL plans each by itself. A step that several branches share is one set, so that a chain which
 * goes to several target types at each step does not double with each.
 */
export class ChainSets {
  readonly #sets: string[] = [];
  readonly #names = new Map<Condition, Map<string, string>>();

  constructor(private readonly renderer: Renderer) {}

  /** The `with` clause of all sets named so far. */
  get clause(): string {
    return `with ${this.#sets.join(', ')}`;
  }

  /** Name of the set of undeleted rows (part, rtype, rid) of `types` that meet the condition. */
  nameOf(c: Condition, types: readonly number[]): string {
    let names = this.#names.get(c);
    if (!names) {
      names = new Map();
      this.#names.set(c, names);
    }
    const key = types.join();
    let name = names.get(key);
    if (name === undefined) {
      const text = this.#select(c, types);
      name = this.renderer.alias('c');
      this.#sets.push(`${name} as materialized (${text})`);
      names.set(key, name);
    }
    return name;
  }

  #select(c: Condition, types: readonly number[]): string {
    switch (c.kind) {
      case 'or':
        return c.of.map((part) => `select part, rtype, rid from ${this.nameOf(part, types)}`).join(' union ');
      case 'chain':
        return this.#pointing(c, types);
      case 'has':
        return this.#pointedAt(c, types);
      default: {
        const x = this.renderer.alias('x');
        const typed = impliesType(c) ? '' : `${this.#typed(x, types)} and `;
        return (
          `select ${x}.part, ${x}.rtype, ${x}.rid from resource ${x}` +
          ` where ${typed}not ${x}.deleted and ${this.renderer.predicate(c, x, types)}`
        );
      }
    }
  }

  /** Those that point into the set of targets. Deleted resources keep no reference rows. */
  #pointing(c: Extract<Condition, { kind: 'chain' }>, types: readonly number[]): string {
    const r = this.renderer;
    const targets = this.nameOf(c.of, [c.targetType]);
    const [f, t] = [r.alias('f'), r.alias('t')];
    const from = this.#named(c.canonical, targets, t, f);
    const param = r.bind.bigint(c.param);
    return (
      `select distinct ${f}.part, ${f}.rtype, ${f}.rid from ${from}` +
      ` where ${f}.param = ${param} and ${this.#typed(f, types)}`
    );
  }

  /** `targets` as `t`, joined to the reference rows `f` that point at them, by id or by name. */
  #named(canonical: bigint | undefined, targets: string, t: string, f: string): string {
    const r = this.renderer;
    if (canonical === undefined)
      return `${targets} ${t} join idx_reference ${f} on ${f}.target = ${t}.rid and ${f}.ttype = ${t}.rtype`;
    const n = r.alias('n');
    return (
      `${targets} ${t} join idx_reference ${n} on ${r.sameRow(n, t)} and ${n}.param = ${r.bind.bigint(canonical)}` +
      ` join idx_reference ${f} on ${f}.target = ${n}.target`
    );
  }

  /** Those that the set of sources points at. */
  #pointedAt(c: Extract<Condition, { kind: 'has' }>, types: readonly number[]): string {
    const r = this.renderer;
    const sources = this.nameOf(c.of, [c.sourceType]);
    const [f, s, t] = [r.alias('f'), r.alias('s'), r.alias('t')];
    const pointing = `${sources} ${s} join idx_reference ${f} on ${r.sameRow(f, s)} and ${f}.param = ${r.bind.bigint(c.param)}`;
    if (c.canonical !== undefined) {
      const n = r.alias('n');
      return (
        `select distinct ${n}.part, ${n}.rtype, ${n}.rid from ${pointing}` +
        ` join idx_reference ${n} on ${n}.target = ${f}.target and ${n}.param = ${r.bind.bigint(c.canonical)}` +
        ` where ${this.#typed(n, types)}`
      );
    }
    const l = r.alias('l');
    return (
      `select distinct ${t}.part, ${t}.rtype, ${t}.rid from ${pointing}` +
      ` join locator ${l} on ${l}.rtype = ${f}.ttype and ${l}.rid = ${f}.target` +
      ` join resource ${t} on ${r.sameRow(t, l)} where not ${t}.deleted and ${this.#typed(l, types)}`
    );
  }

  #typed(alias: string, types: readonly number[]): string {
    return this.renderer.predicate({ kind: 'types', types }, alias, types);
  }
}
