import { Fault, invalid } from '../../core/fault.js';
import type { Resource } from '../../core/resource.js';
import type { Emit } from '../path-emit.js';
import type { PathNode, Variables } from '../path-parser.js';
import { compilePath, type PathFunction } from '../paths.js';
import { isResourceType } from '../resource-types.js';
import { constantsOf } from './constants.js';
import { type Branch, type ColumnPlan, layOut } from './layout.js';

/** Rows one resource may yield: sibling forEach multiply, and a few lists of a hundred would make millions. */
const MAX_ROWS_PER_RESOURCE = 100_000;
/** Elements a repeat may visit in one resource. */
const MAX_REPEATED = 100_000;
/** JSON is nested no deeper than this, so a path that goes on finding children returns to where it was. */
const MAX_REPEAT_DEPTH = 64;

/** A column as the view defines it. */
export interface ViewColumn {
  readonly name: string;
  /** FHIR type of the values: as declared, or as the path tells; undefined where only the data can. */
  readonly type: string | undefined;
  readonly collection: boolean;
  readonly description: string | undefined;
  /** Hints to databases, such as `ansi/type`. */
  readonly tags: ReadonlyMap<string, string>;
  /** The path, where it starts from the resource itself. */
  readonly path: string | undefined;
}

export type Row = unknown[];

/** A ViewDefinition ready to run. */
export interface View {
  readonly name: string | undefined;
  readonly url: string | undefined;
  /** Type of the resources it is a view of. */
  readonly resource: string;
  readonly columns: readonly ViewColumn[];
  /**
   * The rows of one resource, values in the order of `columns`: null where there is none, an array where the column is a
   * collection. None for a resource of another type, or one that `where` leaves out.
   * @throws Fault `invalid` naming the element of the view: several values in a column that is no collection, a
   * condition that is no boolean, too many rows.
   */
  rows(resource: Resource, out: Row[]): void;
}

/** What a run works on; one for all resources, as a run never waits. */
interface Run {
  resource: Resource;
  /** The element in focus, and its place in the list it came from, of each scope. */
  readonly nodes: unknown[];
  readonly indexes: number[];
  readonly row: Row;
  readonly found: unknown[];
  out: Row[];
  start: number;
}

type Step = (run: Run) => void;

/**
 * Compiles a ViewDefinition of SQL on FHIR v2: every path once, so that a row costs property look-ups.
 * @throws Fault `invalid` or `unsupported`, `at` naming the element, the other faults in `also`.
 */
export function compileView(definition: unknown): View {
  const faults: Fault[] = [];
  const attempt = <T>(at: string, work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      faults.push(error.at?.startsWith('ViewDefinition') ? error : located(error, at));
      return undefined;
    }
  };
  if (typeof definition !== 'object' || definition === null || Array.isArray(definition))
    throw invalid('A ViewDefinition is a JSON object.', 'ViewDefinition');
  const { resource, name, url, where } = definition as Record<string, unknown>;
  if (!isResourceType(resource)) {
    throw invalid(
      'ViewDefinition.resource is not a resource type.',
      'ViewDefinition.resource',
      'Name the type of the resources that the view shows, such as Patient.',
    );
  }
  const constants = attempt('ViewDefinition.constant', () => constantsOf(definition)) ?? new Map();
  const indexes: number[] = [0];
  const compile = (path: unknown, at: string, type: string, scope: number): PathFunction | undefined =>
    attempt(at, () => {
      if (typeof path !== 'string' || path.trim() === '')
        throw invalid(`${at} is not a FHIRPath expression.`, at, 'Write an expression as text.');
      return compilePath(path, { type, root: resource, variables: variables(constants, indexes, scope) });
    });
  const filters = wheresOf(where).map(({ path, at }) => ({
    at,
    fn: attempt(at, () => conditionOf(compile(path, at, resource, 0), at)),
  }));
  const plan = attempt('ViewDefinition.select', () => layOut(definition, resource, compile));
  const [first, ...also] = faults;
  if (first || !plan)
    throw gathered(first ?? invalid('The view has no columns.', 'ViewDefinition.select'), also);

  const run: Run = {
    resource: { resourceType: resource },
    nodes: [],
    indexes,
    row: new Array(plan.columns.length).fill(null),
    found: [],
    out: [],
    start: 0,
  };
  const emit: Step = (r) => {
    if (r.out.length - r.start >= MAX_ROWS_PER_RESOURCE) {
      throw invalid(
        `One resource gives more than ${MAX_ROWS_PER_RESOURCE} rows.`,
        'ViewDefinition.select',
        'Nest a forEach in another rather than beside it: those beside each other multiply.',
      );
    }
    r.out.push(r.row.slice());
  };
  const start = plan.branches.reduceRight<Step>((after, branch) => link(branch, 0, after), emit);
  return {
    name: typeof name === 'string' ? name : undefined,
    url: typeof url === 'string' ? url : undefined,
    resource,
    columns: plan.columns.map(({ shown }) => shown),
    rows(given, out) {
      if (given.resourceType !== resource) return;
      run.resource = given;
      run.nodes[0] = given;
      run.indexes[0] = 0;
      run.out = out;
      run.start = out.length;
      for (const { fn, at } of filters) if (!holds(fn!, at, run)) return;
      start(run);
    },
  };
}

function located(fault: Fault, at: string): Fault {
  return new Fault(fault.category, `${at}: ${fault.message}`, {
    at,
    remedy: fault.remedy,
    issueCode: fault.issueCode,
    cause: fault,
  });
}

function gathered(first: Fault, also: Fault[]): Fault {
  return new Fault(first.category, first.message, {
    at: first.at,
    remedy: first.remedy,
    issueCode: first.issueCode,
    also,
  });
}

/** Constants of the view, and `%rowIndex`: the place of the element in the list that its select goes through. */
function variables(constants: ReadonlyMap<string, PathNode>, indexes: number[], scope: number): Variables {
  const rowIndex: PathNode = { kind: 'cell', type: 'integer', read: () => indexes[scope] ?? 0 };
  return (name) => (name === 'rowIndex' ? rowIndex : constants.get(name));
}

function wheresOf(where: unknown): { path: unknown; at: string }[] {
  if (where === undefined) return [];
  if (!Array.isArray(where)) throw invalid('ViewDefinition.where is a list.', 'ViewDefinition.where');
  return where.map((entry: { path?: unknown } | null, i) => ({
    path: entry?.path,
    at: `ViewDefinition.where[${i}].path`,
  }));
}

const notBoolean = (at: string) =>
  invalid(
    `${at} gives what is neither true nor false.`,
    at,
    'Compare, or ask with exists(): the condition of a view is true or false.',
  );

function conditionOf(fn: PathFunction | undefined, at: string): PathFunction | undefined {
  if (fn && fn.types.size > 0 && ![...fn.types].some((type) => type === 'boolean' || type === 'Resource'))
    throw notBoolean(at);
  return fn;
}

function holds(fn: PathFunction, at: string, run: Run): boolean {
  const { found } = run;
  found.length = 0;
  fn.emit(run.resource, run.resource, found);
  if (found.length === 0) return false;
  if (found.length > 1 || typeof found[0] !== 'boolean') throw notBoolean(at);
  return found[0];
}

/** The step that goes through a select's elements and, for each combination, on to `after`. */
function link(branch: Branch, parent: number, after: Step): Step {
  const { scope, iterate } = branch;
  let inner = after;
  if (branch.unions.length > 0) {
    const steps = branch.unions.map((union) => link(union, scope, after));
    inner = (run) => {
      for (const step of steps) step(run);
    };
  }
  for (let i = branch.selects.length - 1; i >= 0; i--) inner = link(branch.selects[i]!, scope, inner);
  inner = filled(branch.columns, scope, inner);
  switch (iterate.kind) {
    case 'none':
      return inner;
    case 'each':
      return each(iterate.path.emit, parent, scope, inner, undefined);
    case 'orNull':
      return each(iterate.path.emit, parent, scope, inner, nullStep(branch, scope, after));
    case 'repeat':
      return repeated(branch, iterate, parent, scope, inner);
  }
}

function filled(columns: readonly ColumnPlan[], scope: number, after: Step): Step {
  if (columns.length === 0) return after;
  return (run) => {
    const { found, row, resource } = run;
    const node = run.nodes[scope];
    for (let i = 0; i < columns.length; i++) {
      const { emit, at, offset, shown } = columns[i]!;
      found.length = 0;
      emit(node, resource, found);
      if (shown.collection) row[offset] = found.slice();
      else if (found.length > 1) throw several(at);
      else row[offset] = found.length === 0 ? null : found[0];
    }
    after(run);
  };
}

function several(at: string): Fault {
  return invalid(
    `${at} gives several values, and its column holds one.`,
    at,
    'Set collection to true, choose one with first(), or go through them with forEach.',
  );
}

function each(emit: Emit, parent: number, scope: number, inner: Step, none: Step | undefined): Step {
  return (run) => {
    const items: unknown[] = [];
    emit(run.nodes[parent], run.resource, items);
    if (items.length === 0) {
      none?.(run);
      return;
    }
    for (let i = 0; i < items.length; i++) {
      run.nodes[scope] = items[i];
      run.indexes[scope] = i;
      inner(run);
    }
  };
}

/** The one row of a `forEachOrNull` that finds nothing: null in all its columns, but for its `%rowIndex`, which is 0. */
function nullStep(branch: Branch, scope: number, after: Step): Step {
  const { offset, width, columns } = branch;
  const indexes = columns.filter((column) => column.isRowIndex);
  return (run) => {
    run.row.fill(null, offset, offset + width);
    run.indexes[scope] = 0;
    for (const column of indexes) run.row[column.offset] = 0;
    after(run);
  };
}

/** The elements that the paths lead to, theirs, and so on, each before its own; numbered through. */
function repeated(
  { at }: Branch,
  { first, further }: { readonly first: readonly PathFunction[]; readonly further: readonly PathFunction[] },
  parent: number,
  scope: number,
  inner: Step,
): Step {
  return (run) => {
    let index = 0;
    const visit = (node: unknown, paths: readonly PathFunction[], depth: number): void => {
      if (depth > MAX_REPEAT_DEPTH || index > MAX_REPEATED) {
        throw invalid(`${at}.repeat does not come to an end.`, `${at}.repeat`, 'Name paths to children.');
      }
      for (const path of paths) {
        for (const child of path.from(node, run.resource)) {
          run.nodes[scope] = child;
          run.indexes[scope] = index++;
          inner(run);
          visit(child, further, depth + 1);
        }
      }
    };
    visit(run.nodes[parent], first, 0);
  };
}
