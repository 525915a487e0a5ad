import { invalid } from '../../core/fault.js';
import type { Emit } from '../path-emit.js';
import { ANY } from '../path-emit.js';
import type { PathFunction } from '../paths.js';
import { SQL_NAME } from './constants.js';
import type { ViewColumn } from './view.js';

/** Where each select of a view stands, which columns it fills and what it goes through. */
export interface Branch {
  /** `ViewDefinition.select[0]` */
  readonly at: string;
  /** Scope of its elements; that of its parent where it goes through none. */
  readonly scope: number;
  readonly iterate: Iterate;
  readonly columns: readonly ColumnPlan[];
  readonly selects: readonly Branch[];
  /** Alternatives; all fill the same columns. */
  readonly unions: readonly Branch[];
  /** First column, and how many with all that is inside. */
  readonly offset: number;
  readonly width: number;
}

export type Iterate =
  | { readonly kind: 'none' }
  | { readonly kind: 'each' | 'orNull'; readonly path: PathFunction }
  | {
      readonly kind: 'repeat';
      /** From the element the select stands on, and from those found. */
      readonly first: readonly PathFunction[];
      readonly further: readonly PathFunction[];
    };

export interface ColumnPlan {
  readonly at: string;
  readonly offset: number;
  readonly emit: Emit;
  readonly isRowIndex: boolean;
  readonly shown: ViewColumn;
}

export interface Layout {
  readonly branches: readonly Branch[];
  readonly columns: readonly ColumnPlan[];
}

/** Compiles a path of elements of a type; undefined where it had a fault, which is kept. */
export type CompileIn = (path: unknown, at: string, type: string, scope: number) => PathFunction | undefined;

const MAX_COLUMNS = 1_000;
const MAX_SELECTS = 500;
const MAX_DEPTH = 32;

interface Place {
  readonly at: string;
  readonly type: string;
  readonly scope: number;
  readonly offset: number;
  readonly depth: number;
}

interface Laid {
  readonly branch: Branch;
  /** In order, with all that is inside. */
  readonly columns: readonly ColumnPlan[];
}

/**
 * Lays out the selects: columns first, then selects inside, then alternatives, as the specification orders them.
 * @throws Fault `invalid` for what makes the rest meaningless; faults of paths are left to `compile`.
 */
export function layOut(definition: object, resource: string, compile: CompileIn): Layout {
  let scopes = 1;
  let count = 0;
  const { select } = definition as { select?: unknown };
  const top = each(select, 'ViewDefinition.select', { type: resource, scope: 0, offset: 0, depth: 0 });
  if (top.length === 0) {
    throw invalid(
      'The view selects nothing.',
      'ViewDefinition.select',
      'Give it a select with at least one column.',
    );
  }
  const columns = top.flatMap((laid) => laid.columns);
  requireNames(columns);
  return { branches: top.map((laid) => laid.branch), columns };

  function each(list: unknown, at: string, place: Omit<Place, 'at'>): Laid[] {
    if (list === undefined) return [];
    if (!Array.isArray(list)) throw invalid(`${at} is a list.`, at);
    let { offset } = place;
    return list.map((entry, i) => {
      const laid = one(entry, { ...place, offset, at: `${at}[${i}]` });
      offset += laid.columns.length;
      return laid;
    });
  }

  function one(entry: unknown, { at, type: outer, scope: parent, offset, depth }: Place): Laid {
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry))
      throw invalid(`${at} is an object.`, at);
    if (++count > MAX_SELECTS || depth > MAX_DEPTH)
      throw invalid('The view has too many selects.', at, `At most ${MAX_SELECTS}, ${MAX_DEPTH} deep.`);
    const select = entry as Record<string, unknown>;
    const { iterate, type } = iteration(select, at, outer, parent);
    const scope = iterate.kind === 'none' ? parent : scopes++;
    const own = columnsOf(select.column, at, type, scope, offset);
    const inner = { type, scope, depth: depth + 1 };
    const selects = each(select.select, `${at}.select`, { ...inner, offset: offset + own.length });
    const after = offset + own.length + sum(selects);
    const unions = alternatives(select.unionAll, `${at}.unionAll`, { ...inner, offset: after });
    const columns = [...own, ...selects.flatMap((l) => l.columns), ...(unions[0]?.columns ?? [])];
    if (columns.length > MAX_COLUMNS) throw invalid(`More than ${MAX_COLUMNS} columns.`, at);
    return {
      columns,
      branch: {
        at,
        scope,
        iterate,
        columns: own,
        selects: selects.map((l) => l.branch),
        unions: unions.map((l) => l.branch),
        offset,
        width: columns.length,
      },
    };
  }

  function iteration(
    select: Record<string, unknown>,
    at: string,
    type: string,
    parent: number,
  ): { iterate: Iterate; type: string } {
    const given = ['forEach', 'forEachOrNull', 'repeat'].filter((name) => select[name] !== undefined);
    if (given.length > 1)
      throw invalid(`${at} has ${given.join(' and ')}.`, at, 'Keep one; nest a select for the other.');
    const [kind] = given;
    if (kind === undefined) return { iterate: { kind: 'none' }, type };
    if (kind !== 'repeat') {
      const path = compile(select[kind], `${at}.${kind}`, type, parent);
      if (!path) return { iterate: { kind: 'none' }, type: ANY };
      return {
        iterate: { kind: kind === 'forEach' ? 'each' : 'orNull', path },
        type: onlyType([path]),
      };
    }
    const paths = select.repeat;
    if (!Array.isArray(paths) || paths.length === 0)
      throw invalid(`${at}.repeat is a list of paths.`, `${at}.repeat`);
    const from = (t: string) =>
      paths.map((path, i) => compile(path, `${at}.repeat[${i}]`, t, parent)).filter((fn) => fn !== undefined);
    const first = from(type);
    const inside = onlyType(first);
    const further = first.length === paths.length ? from(inside) : [];
    return { iterate: { kind: 'repeat', first, further }, type: onlyType([...first, ...further]) };
  }

  function columnsOf(list: unknown, at: string, type: string, scope: number, offset: number): ColumnPlan[] {
    if (list === undefined) return [];
    if (!Array.isArray(list)) throw invalid(`${at}.column is a list.`, `${at}.column`);
    return list.map((entry: Record<string, unknown> | null, i) => {
      const place = `${at}.column[${i}]`;
      const name = entry?.name;
      if (typeof name !== 'string' || !SQL_NAME.test(name)) {
        throw invalid(
          `${place}.name is no name of a column.`,
          `${place}.name`,
          'Use letters, digits and _, a letter first.',
        );
      }
      const fn = compile(entry?.path, `${place}.path`, type, scope);
      return {
        at: `${place}.path`,
        offset: offset + i,
        emit: fn?.emit ?? (() => undefined),
        isRowIndex: entry?.path === '%rowIndex',
        shown: {
          name,
          type: typeof entry?.type === 'string' ? localType(entry.type) : inferred(fn),
          collection: entry?.collection === true,
          description: typeof entry?.description === 'string' ? entry.description : undefined,
          tags: tagsOf(entry?.tag),
          path: scope === 0 && typeof entry?.path === 'string' ? entry.path : undefined,
        },
      };
    });
  }

  function alternatives(list: unknown, at: string, place: Omit<Place, 'at'>): Laid[] {
    if (list === undefined) return [];
    if (!Array.isArray(list)) throw invalid(`${at} is a list.`, at);
    const laid = list.map((entry, i) => one(entry, { ...place, at: `${at}[${i}]` }));
    const names = (l: Laid) => l.columns.map((c) => c.shown.name).join(',');
    laid.forEach((l, i) => {
      if (names(l) !== names(laid[0]!)) {
        throw invalid(
          `${at}[${i}] has not the columns of ${at}[0], or not in their order.`,
          `${at}[${i}]`,
          'Give all alternatives the same columns in the same order.',
        );
      }
      l.columns.forEach((column, j) => {
        const { shown } = laid[0]!.columns[j]!;
        if (shown.collection !== column.shown.collection)
          throw invalid(`The column ${shown.name} is a collection in one alternative alone.`, column.at);
      });
    });
    return laid;
  }
}

function sum(laid: readonly Laid[]): number {
  return laid.reduce((n, l) => n + l.columns.length, 0);
}

function requireNames(columns: readonly ColumnPlan[]): void {
  const seen = new Set<string>();
  for (const { shown, at } of columns) {
    // Databases do not tell names apart by their case.
    const name = shown.name.toLowerCase();
    if (seen.has(name)) {
      throw invalid(
        `Two columns have the name ${shown.name}.`,
        at.replace(/\.path$/, '.name'),
        'Give each column a name of its own.',
      );
    }
    seen.add(name);
  }
}

/** The one static type of what paths lead to; `ANY` where there are several or none. */
function onlyType(paths: readonly PathFunction[]): string {
  const types = new Set(paths.flatMap((path) => [...path.types]));
  types.delete(ANY);
  return types.size === 1 ? [...types][0]! : ANY;
}

function inferred(fn: PathFunction | undefined): string | undefined {
  if (!fn || fn.types.has(ANY)) return undefined;
  return fn.types.size === 1 ? [...fn.types][0] : undefined;
}

/** `http://hl7.org/fhir/StructureDefinition/date` and `FHIR.date` are `date`. */
function localType(type: string): string {
  return type.slice(Math.max(type.lastIndexOf('/'), type.lastIndexOf('.')) + 1);
}

function tagsOf(list: unknown): Map<string, string> {
  const tags = new Map<string, string>();
  for (const tag of Array.isArray(list) ? list : []) {
    const { name, value } = (tag ?? {}) as { name?: unknown; value?: unknown };
    if (typeof name === 'string' && typeof value === 'string') tags.set(name, value);
  }
  return tags;
}
