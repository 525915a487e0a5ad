import { Fault, invalid } from '../core/fault.js';
import type { Resource, StoredResource } from '../core/resource.js';
import { clinicalTime, sortInstant } from '../fhir/clinical-time.js';
import { parsePartialDate } from '../fhir/dates.js';
import type { Store } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { Cohorts } from './cohort.js';
import { type CohortDefinition, type Criteria, parseCriteriaAlone, parseDefinition } from './definition.js';

/** Cohorts, and patients of all of them together, that are compared at once: their records are opened. */
export const MAX_COMPARED = 8;
export const MAX_COMPARED_PATIENTS = 50_000;
const MAX_OUTCOMES = 20;
const TOP_TREATMENTS = 20;
/** Patients whose records are read at a time. */
const PATIENTS_AT_ONCE = 500;
/** What is counted as a treatment. */
const TREATMENTS = ['MedicationRequest', 'MedicationStatement', 'MedicationAdministration', 'Procedure'];
const YEAR_MS = 365.25 * 86_400_000;
const AGE_BAND = 10;

/** What to compare: stored cohorts by name or id, and definitions. */
export interface Comparison {
  readonly cohorts: readonly (string | CohortDefinition)[];
  /** `system|code` of Observations whose values are followed over time. */
  readonly value?: string;
  readonly outcomes: readonly { readonly name: string; readonly criteria: Criteria }[];
}

/** Reads a comparison from parsed JSON. @throws Fault `invalid` */
export function parseComparison(input: unknown): Comparison {
  const { cohorts, value, outcomes = [], ...rest } = (input ?? {}) as Record<string, unknown>;
  const stranger = Object.keys(rest)[0];
  if (stranger !== undefined)
    throw invalid('Not a part of a comparison.', stranger.slice(0, 64), 'It has cohorts, value, outcomes.');
  if (!Array.isArray(cohorts) || cohorts.length < 2 || cohorts.length > MAX_COMPARED)
    throw invalid(
      `A comparison takes 2 to ${MAX_COMPARED} cohorts.`,
      'cohorts',
      'Give names, ids or definitions.',
    );
  if (value !== undefined && (typeof value !== 'string' || !/^[^|\s]*\|[^|\s]+$/.test(value)))
    throw invalid('Not a code.', 'value', 'Write it as http://loinc.org|4548-4.');
  if (!Array.isArray(outcomes) || outcomes.length > MAX_OUTCOMES)
    throw invalid(`outcomes is not a list of at most ${MAX_OUTCOMES}.`, 'outcomes');
  return {
    cohorts: cohorts.map((one) => (typeof one === 'string' ? one : parseDefinition(one))),
    ...(value === undefined ? {} : { value }),
    outcomes: outcomes.map((one, i) => {
      const { name, ...criteria } = (one ?? {}) as Record<string, unknown>;
      return {
        name: typeof name === 'string' ? name.slice(0, 200) : `outcome ${i + 1}`,
        criteria: parseCriteriaAlone(criteria, `outcomes[${i}]`),
      };
    }),
  };
}

/** Values of one calendar quarter. */
export interface ValuesThen {
  readonly quarter: string;
  readonly patients: number;
  readonly n: number;
  readonly mean: number;
  readonly median: number;
}

export interface ComparedCohort {
  readonly name: string;
  readonly size: number;
  readonly sex: Readonly<Record<string, number>>;
  /** Ages now, or at death, in years. */
  readonly age:
    | { readonly mean: number; readonly median: number; readonly bands: Readonly<Record<string, number>> }
    | undefined;
  /**
   * Patients by treatment, the most frequent first: those that are among the most frequent of any of the compared
   * cohorts. What is listed for another cohort and not here, nobody here had.
   */
  readonly treatments: readonly {
    readonly code: string;
    readonly display: string | undefined;
    readonly patients: number;
  }[];
  /** In the unit that most values have; others are left out and counted. */
  readonly values:
    | { readonly unit: string; readonly otherUnits: number; readonly overTime: readonly ValuesThen[] }
    | undefined;
  readonly outcomes: readonly { readonly name: string; readonly patients: number }[];
}

export interface CohortComparison {
  readonly cohorts: readonly ComparedCohort[];
  /** Patients that two cohorts share, and their share of the two together (Jaccard). */
  readonly overlap: readonly {
    readonly of: readonly [string, string];
    readonly patients: number;
    readonly share: number;
  }[];
  /** Patients in all of them, and in any. */
  readonly inAll: number;
  readonly inAny: number;
}

/** Compares cohorts: sizes, overlap, who they are, what they got, how a value went, and what came of them. */
export async function compareCohorts(
  { cohorts, store, now }: { readonly cohorts: Cohorts; readonly store: Store; readonly now: number },
  tenant: Tenant,
  comparison: Comparison,
  base: string,
): Promise<CohortComparison> {
  const members: { name: string; keys: Set<bigint>; tally: Tally }[] = [];
  for (const one of comparison.cohorts) {
    const found = typeof one === 'string' ? await cohorts.find(tenant, one, base) : one;
    const keys = await cohorts.keys(tenant, found, base);
    members.push({ name: found.name, keys, tally: new Tally(now) });
  }
  const any = new Set(members.flatMap(({ keys }) => [...keys]));
  if (any.size > MAX_COMPARED_PATIENTS)
    throw new Fault('too-large', `The cohorts have more than ${MAX_COMPARED_PATIENTS} patients together.`, {
      remedy: 'Compare smaller ones; $cohort-preview counts cohorts of any size.',
    });
  await readRecords(store, tenant, any, comparison.value !== undefined, (patient, resource) => {
    for (const { keys, tally } of members)
      if (keys.has(patient)) tally.add(patient, resource, comparison.value);
  });
  const listed = new Set(members.flatMap(({ tally }) => tally.frequentTreatments()));
  const outcomes: { name: string; keys: Set<bigint> }[] = [];
  for (const { name, criteria } of comparison.outcomes) {
    const definition = { name, criteria, derived: 'include', mode: 'live' } as const;
    outcomes.push({ name, keys: await cohorts.keys(tenant, definition, base) });
  }
  return {
    cohorts: members.map(({ name, keys, tally }) => ({
      name,
      size: keys.size,
      ...tally.result(listed),
      outcomes: outcomes.map((outcome) => ({ name: outcome.name, patients: shared(keys, outcome.keys) })),
    })),
    overlap: members.flatMap((a, i) =>
      members.slice(i + 1).map((b) => {
        const patients = shared(a.keys, b.keys);
        const together = a.keys.size + b.keys.size - patients;
        return { of: [a.name, b.name] as const, patients, share: together === 0 ? 0 : patients / together };
      }),
    ),
    inAll: [...any].filter((key) => members.every(({ keys }) => keys.has(key))).length,
    inAny: any.size,
  };
}

function shared(a: ReadonlySet<bigint>, b: ReadonlySet<bigint>): number {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  let n = 0;
  for (const key of small) if (large.has(key)) n++;
  return n;
}

/** Reads what is compared of these patients, each resource with the patient whose it is. */
async function readRecords(
  store: Store,
  tenant: Tenant,
  patients: ReadonlySet<bigint>,
  withValues: boolean,
  take: (patient: bigint, resource: StoredResource) => void,
): Promise<void> {
  const types = [...TREATMENTS, ...(withValues ? ['Observation'] : [])];
  const ids: string[] = [];
  // Ids stand in bodies alone: the patients are read first.
  for await (const batch of store.scan(tenant, { types: ['Patient'] })) {
    for (const patient of batch) {
      const key = tenant.keys.rid('Patient', patient.id);
      if (!patients.has(key)) continue;
      ids.push(patient.id);
      take(key, patient);
    }
  }
  for (let i = 0; i < ids.length; i += PATIENTS_AT_ONCE) {
    const some = ids.slice(i, i + PATIENTS_AT_ONCE);
    for await (const batch of store.scan(tenant, { types, patients: some }))
      for (const resource of batch) {
        const id = patientOf(resource);
        if (id !== undefined) take(tenant.keys.rid('Patient', id), resource);
      }
  }
}

function patientOf(resource: Resource): string | undefined {
  const { reference } = (resource.subject ?? resource.patient ?? {}) as { reference?: string };
  return /(?:^|\/)Patient\/([A-Za-z0-9\-.]{1,64})$/.exec(reference ?? '')?.[1];
}

interface Coding {
  readonly system?: string;
  readonly code?: string;
  readonly display?: string;
}
interface Concept {
  readonly coding?: readonly Coding[];
  readonly text?: string;
}

/** Counts one cohort. */
class Tally {
  private readonly sex: Record<string, number> = {};
  private readonly ages: number[] = [];
  private readonly treatments = new Map<string, { display: string | undefined; patients: Set<bigint> }>();
  private readonly units = new Map<string, Map<string, { patients: Set<bigint>; values: number[] }>>();

  constructor(private readonly now: number) {}

  add(patient: bigint, resource: Resource, value: string | undefined): void {
    if (resource.resourceType === 'Patient') this.person(resource);
    else if (resource.resourceType === 'Observation') this.value(patient, resource, value);
    else this.treatment(patient, resource);
  }

  private person(patient: Resource): void {
    const sex = typeof patient.gender === 'string' ? patient.gender : 'unknown';
    this.sex[sex] = (this.sex[sex] ?? 0) + 1;
    const born = instantOf(patient.birthDate);
    if (born === undefined) return;
    const until = instantOf(patient.deceasedDateTime) ?? this.now;
    if (until >= born) this.ages.push((until - born) / YEAR_MS);
  }

  private treatment(patient: bigint, resource: Resource): void {
    const status = String(resource.status ?? '');
    // What was never given is no treatment.
    if (['entered-in-error', 'not-done', 'not-taken', 'cancelled', 'draft'].includes(status)) return;
    const concept = (resource.medicationCodeableConcept ?? resource.code) as Concept | undefined;
    const coding = concept?.coding?.find(({ code }) => code !== undefined);
    const code = coding
      ? `${coding.system ?? ''}|${coding.code}`
      : concept?.text && `|${concept.text.toLowerCase()}`;
    if (!code) return;
    const known = this.treatments.get(code) ?? {
      display: coding?.display ?? concept?.text,
      patients: new Set(),
    };
    known.patients.add(patient);
    this.treatments.set(code, known);
  }

  private value(patient: bigint, resource: Resource, wanted: string | undefined): void {
    const { coding = [] } = (resource.code ?? {}) as Concept;
    if (!coding.some(({ system = '', code }) => `${system}|${code}` === wanted)) return;
    if (resource.status === 'entered-in-error' || resource.status === 'cancelled') return;
    const quantity = resource.valueQuantity as { value?: unknown; unit?: string; code?: string } | undefined;
    const n = Number(quantity?.value);
    const time = clinicalTime(resource);
    if (quantity?.value === undefined || !Number.isFinite(n) || !time) return;
    const at = new Date(sortInstant(time));
    const quarter = `${at.getUTCFullYear()}-Q${Math.floor(at.getUTCMonth() / 3) + 1}`;
    const unit = quantity.code ?? quantity.unit ?? '1';
    const quarters = this.units.get(unit) ?? new Map();
    this.units.set(unit, quarters);
    const then = quarters.get(quarter) ?? { patients: new Set<bigint>(), values: [] as number[] };
    quarters.set(quarter, then);
    then.patients.add(patient);
    then.values.push(n);
  }

  /** Codes of the treatments that most patients had. */
  frequentTreatments(): string[] {
    return this.treatmentCounts()
      .slice(0, TOP_TREATMENTS)
      .map(({ code }) => code);
  }

  private treatmentCounts(): ComparedCohort['treatments'] {
    return [...this.treatments]
      .map(([code, { display, patients }]) => ({ code, display, patients: patients.size }))
      .sort((a, b) => b.patients - a.patients || (a.code < b.code ? -1 : 1));
  }

  result(listed: ReadonlySet<string>): Pick<ComparedCohort, 'sex' | 'age' | 'treatments' | 'values'> {
    return {
      sex: this.sex,
      age: this.ages.length === 0 ? undefined : { ...middle(this.ages), bands: bandsOf(this.ages) },
      treatments: this.treatmentCounts().filter(({ code }) => listed.has(code)),
      values: this.values(),
    };
  }

  private values(): ComparedCohort['values'] {
    const sizes = [...this.units].map(([unit, quarters]) => ({
      unit,
      quarters,
      n: [...quarters.values()].reduce((sum, { values }) => sum + values.length, 0),
    }));
    const [main, ...others] = sizes.sort((a, b) => b.n - a.n || (a.unit < b.unit ? -1 : 1));
    if (!main) return undefined;
    return {
      unit: main.unit,
      otherUnits: others.reduce((sum, { n }) => sum + n, 0),
      overTime: [...main.quarters]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([quarter, { patients, values }]) => ({
          quarter,
          patients: patients.size,
          n: values.length,
          ...middle(values),
        })),
    };
  }
}

function instantOf(value: unknown): number | undefined {
  return typeof value === 'string' ? parsePartialDate(value)?.lo : undefined;
}

function middle(values: readonly number[]): { mean: number; median: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
  const round = (n: number) => Math.round(n * 1000) / 1000;
  return { mean: round(values.reduce((sum, n) => sum + n, 0) / values.length), median: round(median) };
}

function bandsOf(ages: readonly number[]): Record<string, number> {
  const bands: Record<string, number> = {};
  for (const age of [...ages].sort((a, b) => a - b)) {
    const from = Math.floor(age / AGE_BAND) * AGE_BAND;
    const name = `${from}-${from + AGE_BAND - 1}`;
    bands[name] = (bands[name] ?? 0) + 1;
  }
  return bands;
}
