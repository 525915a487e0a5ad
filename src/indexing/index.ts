/**
 * Turns a resource into blind index rows, and a search into a condition on them. What is written, what is searched
 * and what is rechecked stand together, one file per parameter type.
 */
import { coarseLevel } from '../core/blind.js';
import type { Resource } from '../core/resource.js';
import { clinicalTime, sortInstant } from '../fhir/clinical-time.js';
import { patientsOf } from '../fhir/compartment.js';
import type { PathFunction } from '../fhir/paths.js';
import { type ParameterRegistry, type SearchParameter, standardRegistry } from '../fhir/registry.js';
import { CANONICAL_TYPE, canonicalNames, canonicalParam } from './canonical.js';
import { addCoarseTerms, CoarseSink } from './coarse.js';
import { sharedCompartmentTerm } from './compartment.js';
import { ROW_COLUMNS } from './compile.js';
import { derivedFrom, derivedFromTerm, derivedTerm, isDerived } from './derived.js';
import type {
  DateRow,
  IndexContext,
  IndexRows,
  ParameterType,
  QuantityRow,
  ReferenceRow,
  RowSink,
} from './parameter-type.js';
import { sortedTerms } from './sorted.js';
import { parameterType } from './types.js';
import { pathOf, unwrapped } from './values.js';

export {
  CANONICAL_TYPE,
  canonicalName,
  canonicalNames,
  canonicalParam,
  hasCanonicalName,
  holdsCanonicals,
} from './canonical.js';
export { codeQuantityTerms } from './code-quantity.js';
export { sharedCompartmentTerm } from './compartment.js';
export { compileParameter, matchesParameter, ROW_COLUMNS, someValueFails } from './compile.js';
export { componentsOf } from './composite.js';
export { dateBounds, rangesOf } from './date.js';
export * from './derived.js';
export { fold } from './fold.js';
export type * from './parameter-type.js';
export { comparableNumber, convertedUnitTerms, measuredOf } from './quantity.js';
export { rowParameter } from './reference.js';
export { SORT_LINES_VERSION, sortFieldOf, sortLine, sortText, textAt } from './sort-text.js';
export {
  primaryCodeParameter,
  sortedCategoryTerm,
  sortedCodeTerm,
  sortedPatientCodeTerm,
  sortedTypeTerm,
} from './sorted.js';
export { stringsOf } from './string.js';
export { term } from './terms.js';
export { eachToken } from './token.js';
export { valuesOf } from './values.js';

/** One parameter of a type, ready to run. */
interface Extraction {
  readonly parameter: SearchParameter;
  readonly type: ParameterType;
  readonly path: PathFunction;
  /** Needs the resource rather than values: word indexes. */
  readonly always: boolean;
  readonly unwraps: boolean;
}

const plans = new WeakMap<ParameterRegistry, Map<string, readonly Extraction[]>>();

function planOf(type: string, registry: ParameterRegistry): readonly Extraction[] {
  let byType = plans.get(registry);
  if (!byType) {
    byType = new Map();
    plans.set(registry, byType);
  }
  let plan = byType.get(type);
  if (!plan) {
    plan = registry.parametersOf(type).flatMap((parameter) => {
      const handler = parameterType(parameter);
      if (!handler || ROW_COLUMNS.has(parameter.code) || parameter.aliasOf || parameter.unionOf) return [];
      const path = pathOf(parameter);
      const always = parameter.code === '_text' || parameter.code === '_content';
      if (!always && path.types.size === 0) return [];
      return [{ parameter, type: handler, path, always, unwraps: path.types.has('Extension') }];
    });
    byType.set(type, plan);
  }
  return plan;
}

/** Collects rows and drops repeated ones. */
class Rows implements RowSink {
  readonly terms = new Set<bigint>();
  readonly dates = new Distinct<DateRow>((r) => `${r.param} ${r.lo} ${r.hi}`);
  readonly quantities = new Distinct<QuantityRow>((r) => `${r.term} ${r.unit} ${r.lo} ${r.hi}`);
  readonly references = new Distinct<ReferenceRow>((r) => `${r.param} ${r.targetType} ${r.targetId}`);

  term(term: bigint): void {
    this.terms.add(term);
  }

  date(row: DateRow): void {
    this.dates.add(row);
  }

  quantity(row: QuantityRow): void {
    this.quantities.add(row);
  }

  reference(row: ReferenceRow): void {
    this.references.add(row);
  }
}

/** Up to this many rows are compared one by one; beyond, by a set of their keys (a Group may have 10,000 members). */
const FEW_ROWS = 8;

class Distinct<R extends object> {
  readonly rows: R[] = [];
  private keys: Set<string> | undefined;
  private readonly keyOf: (row: R) => string;

  constructor(keyOf: (row: R) => string) {
    this.keyOf = keyOf;
  }

  add(row: R): void {
    if (this.keys || this.rows.length >= FEW_ROWS) {
      this.keys ??= new Set(this.rows.map(this.keyOf));
      const key = this.keyOf(row);
      if (this.keys.has(key)) return;
      this.keys.add(key);
    } else if (this.rows.some((r) => sameRow(r, row))) return;
    this.rows.push(row);
  }
}

function sameRow(a: object, b: object): boolean {
  for (const name in a) if (a[name as keyof object] !== b[name as keyof object]) return false;
  return true;
}

/** Everything the index keeps of a resource. `context.blind` is best memoised by the caller for a batch. */
export function indexResource(resource: Resource, context: IndexContext): IndexRows {
  const { also } = context.blind;
  const rows = indexUnder(resource, context);
  if (!also) return rows;
  const more = indexUnder(resource, { ...context, blind: also });
  return {
    ...rows,
    terms: [...new Set([...rows.terms, ...more.terms])],
    dates: [...rows.dates, ...more.dates],
    quantities: [...rows.quantities, ...more.quantities],
    references: [...rows.references, ...more.references],
    sorted: [...rows.sorted, ...more.sorted],
  };
}

function indexUnder(resource: Resource, context: IndexContext): IndexRows {
  const rows = new Rows();
  const coarse = coarseLevel(context.blind);
  if (coarse) addCoarseRows(resource, rows, context);
  else addExactRows(resource, rows, context);
  if (isDerived(resource)) rows.term(derivedTerm(context));
  const document = derivedFrom(resource, context.base);
  if (document !== undefined) rows.term(derivedFromTerm(context, document));
  for (const name of canonicalNames(resource))
    rows.reference({ param: canonicalParam(context), targetType: CANONICAL_TYPE, targetId: name });
  const patients = patientsOf(resource, context.base);
  const patient = patients.length === 1 ? patients[0] : undefined;
  if (patients.length > 1) for (const id of patients) rows.term(sharedCompartmentTerm(context, id));
  // What is not exact has no clinical order: the rows that would give it tell when what happened.
  const time = coarse ? undefined : clinicalTime(resource);
  return {
    terms: [...rows.terms],
    dates: rows.dates.rows,
    quantities: rows.quantities.rows,
    references: rows.references.rows,
    sorted: time ? sortedTerms(resource, patient, context) : [],
    patient,
    at: time ? sortInstant(time) : undefined,
  };
}

function addExactRows(resource: Resource, rows: Rows, context: IndexContext): void {
  let values: unknown[] = [];
  for (const { parameter, type, path, always, unwraps } of planOf(
    resource.resourceType,
    context.registry ?? standardRegistry,
  )) {
    path.into(resource, values);
    if (values.length === 0 && !always) continue;
    type.extract(parameter, unwraps ? unwrapped(values) : values, resource, rows, context);
    // Emptying one costs more than another, and most parameters find nothing.
    values = [];
  }
}

/** Of values only what the tenant's level permits; references and what they put a resource into are as ever. */
function addCoarseRows(resource: Resource, rows: Rows, context: IndexContext): void {
  const sink = new CoarseSink(rows, context);
  for (const { parameter, type, path, always, unwraps } of planOf(
    resource.resourceType,
    context.registry ?? standardRegistry,
  )) {
    if (always) continue;
    const found = path(resource);
    if (found.length === 0) continue;
    const values = unwraps ? unwrapped(found) : found;
    if (parameter.type === 'reference' && coarseLevel(context.blind) === 'bucketed')
      type.extract(parameter, values, resource, rows, context);
    else if (EXTRACTED.has(parameter.type)) {
      sink.parameter = parameter;
      type.extract(parameter, values, resource, sink, context);
    } else addCoarseTerms(parameter, values, rows, context);
  }
}

/** Types of parameters whose rows, rather than terms, are made coarse. */
const EXTRACTED = new Set(['date', 'number', 'quantity', 'reference']);
