import { Fault, invalid } from '../core/fault.js';
import { stringifyJson } from '../core/json.js';
import type { StoredResource } from '../core/resource.js';
import { isClinicalTimePath } from '../fhir/clinical-time.js';
import { patientsOf } from '../fhir/compartment.js';
import { parsePartialDate } from '../fhir/dates.js';
import { compileView, type Row, type View } from '../fhir/views/view.js';
import type { Tenant } from '../tenancy/tenant.js';
import { type FeatureVersion, FOREVER, patientVersions, presentVersions } from './feature-versions.js';

/**
 * Features at a point in time. A feature is a view whose rows say when something happened; each row is known from the
 * version of its resource that first said so until the next version. At an index time the last row counts that had
 * happened *and* was known by then: what was recorded or corrected later is not seen.
 */
export interface Feature {
  /** Begins the names of its columns in the answer. */
  readonly name: string;
  readonly view: View;
  /** Places of the columns with the patient and the time of the event. */
  readonly patient: number;
  readonly time: number;
  /** Place of the column that says since when a row is known, of a view that has one. */
  readonly known: number | undefined;
  /** Its time of the event is the clinical time that records are kept by. */
  readonly clinical: boolean;
}

/**
 * What a row counts as known from: `version`, the time its version was stored here; or `column`, what the view's
 * column of the role `known-time` says, of records that were brought here long after they were made.
 */
export type KnownBy = 'version' | 'column';

/** One patient at one time, ms. */
export interface IndexRow {
  readonly patient: string;
  readonly at: number;
}

/** How features are given without saying who: as all dates of a patient move alike, what was known when stays so. */
export interface Disguise {
  /** Undefined where nothing of it may be given. */
  resource(resource: StoredResource): StoredResource | undefined;
  idOf(type: string, id: string): string;
  /** A moment of a patient's record, ms; without a patient as exact as may be told. */
  moment(patient: string | undefined, ms: number): number;
}

/** Of a view's columns: which is the patient, the time of the event, the time it became known. */
const ROLE = 'cenote/role';
const MAX_FEATURES = 50;
export const MAX_INDEX_ROWS = 500_000;
/** Patients whose versions are held at once. */
const PATIENTS_AT_ONCE = 100;
const NAME = /^[A-Za-z][A-Za-z0-9_]{0,62}$/;

/** Views as they were compiled, by what they say, the least lately used first: compiling one takes longer than a read. */
const compiled = new Map<string, View>();
const MAX_COMPILED = 100;
const MAX_COMPILED_CHARS = 50_000;

function compiledView(definition: unknown): View {
  const text = stringifyJson(definition);
  const view = compiled.get(text) ?? compileView(definition);
  compiled.delete(text);
  if (text.length <= MAX_COMPILED_CHARS) compiled.set(text, view);
  if (compiled.size > MAX_COMPILED) compiled.delete(compiled.keys().next().value!);
  return view;
}

/**
 * A view as a feature. Its columns are told by the tag `cenote/role` (`patient`, `event-time`, `known-time`), or by the
 * names `patient_id` and `event_time`.
 * @throws Fault `invalid` for a view that lacks one, or has collections
 */
export function featureOf(definition: unknown, name?: string): Feature {
  const view = compiledView(definition);
  const called = name ?? view.name ?? '';
  if (!NAME.test(called))
    throw invalid('The feature has no name.', 'feature.name', 'Use letters, digits and _, a letter first.');
  const find = (role: string, column?: string) => {
    const tagged = view.columns.findIndex((c) => c.tags.get(ROLE) === role);
    return tagged >= 0 ? tagged : view.columns.findIndex((c) => c.name === column);
  };
  const patient = find('patient', 'patient_id');
  const time = find('event-time', 'event_time');
  if (patient < 0 || time < 0) {
    throw invalid(
      `The view of the feature ${called} does not say whose or when.`,
      'ViewDefinition.select',
      'Give it columns patient_id and event_time, or tag its own with cenote/role patient and event-time.',
    );
  }
  const known = find('known-time');
  const { path } = view.columns[time]!;
  const clinical = path !== undefined && isClinicalTimePath(view.resource, path);
  return { name: called, view, patient, time, known: known < 0 ? undefined : known, clinical };
}

/** @throws Fault `invalid` for too many, or two of one name. */
export function requireFeatures(features: readonly Feature[], knownBy: KnownBy): void {
  if (features.length === 0 || features.length > MAX_FEATURES)
    throw invalid(`Name 1 to ${MAX_FEATURES} features.`, 'feature');
  const names = new Set(features.map((f) => f.name.toLowerCase()));
  if (names.size < features.length) throw invalid('Two features have one name.', 'feature.name');
  const without = knownBy === 'column' ? features.find((f) => f.known === undefined) : undefined;
  if (without) {
    throw invalid(
      `The view of the feature ${without.name} has no column that says since when a row is known.`,
      'known',
      'Tag one with cenote/role known-time, or leave known out.',
    );
  }
}

export interface FeatureColumn {
  readonly name: string;
  /** FHIR type. */
  readonly type: string | undefined;
  readonly collection: boolean;
}

/** Columns of the answer: patient, index time, and of each feature its columns and when it became known. */
export function featureColumns(features: readonly Feature[]): FeatureColumn[] {
  const columns: FeatureColumn[] = [
    { name: 'patient_id', type: 'id', collection: false },
    { name: 'index_time', type: 'instant', collection: false },
  ];
  for (const feature of features) {
    feature.view.columns.forEach(({ name, type, collection }, i) => {
      if (i !== feature.patient) columns.push({ name: `${feature.name}_${name}`, type, collection });
    });
    columns.push({ name: `${feature.name}_known_time`, type: 'instant', collection: false });
  }
  return columns;
}

/** A row of a feature, and when it counts. All times in ms. */
export interface Candidate {
  readonly row: Row;
  /** By when it has happened for certain: the end of a date of low precision. */
  readonly happened: number;
  /** Known at and after, and before. */
  readonly from: number;
  readonly until: number;
}

/** Rows as the answer has them: the last known ones of each feature for each index row, in the order given. */
export async function* featuresAt(
  tenant: Tenant,
  features: readonly Feature[],
  rows: readonly IndexRow[],
  options: {
    readonly base: string;
    readonly knownBy?: KnownBy | undefined;
    readonly disguise?: Disguise | undefined;
  },
): AsyncGenerator<Row[]> {
  const { base, knownBy = 'version', disguise } = options;
  requireFeatures(features, knownBy);
  if (rows.length > MAX_INDEX_ROWS)
    throw new Fault('too-large', `At most ${MAX_INDEX_ROWS} rows can be asked for at once.`, { at: 'row' });
  for (let i = 0; i < rows.length; ) {
    const batch: IndexRow[] = [];
    const patients = new Set<string>();
    while (i < rows.length && (patients.size < PATIENTS_AT_ONCE || patients.has(rows[i]!.patient))) {
      patients.add(rows[i]!.patient);
      batch.push(rows[i++]!);
    }
    const latest = batch.reduce((most, row) => Math.max(most, row.at), 0);
    const before = knownBy === 'version' ? latest : Number.MAX_SAFE_INTEGER;
    const shown = shownIds(patients, disguise);
    const how = { patients: shown, base, knownBy, disguise };
    const candidates = features.map(() => new Map<string, Candidate[]>());
    for (const type of new Set(features.map((f) => f.view.resource))) {
      const versions = knownBy === 'version' ? patientVersions : presentVersions;
      for await (const some of versions(tenant, [...patients], type, before)) {
        features.forEach((feature, f) => {
          if (feature.view.resource === type) gather(feature, some, how, candidates[f]!);
        });
      }
    }
    for (const found of candidates)
      for (const list of found.values()) list.sort((a, b) => b.happened - a.happened || b.from - a.from);
    yield batch.map((row) => {
      const at = disguise?.moment(row.patient, row.at) ?? row.at;
      return [
        disguise?.idOf('Patient', row.patient) ?? row.patient,
        new Date(at).toISOString(),
        ...features.flatMap((feature, f) => cells(feature, lastKnown(candidates[f]!.get(row.patient), at))),
      ];
    });
  }
}

/** Whom rows may be about, by the id that stands in them. */
export function shownIds(ids: Iterable<string>, disguise: Disguise | undefined): ReadonlyMap<string, string> {
  return new Map([...ids].map((id) => [disguise?.idOf('Patient', id) ?? id, id]));
}

export interface Gathering {
  readonly patients: ReadonlyMap<string, string>;
  readonly base: string;
  readonly knownBy: KnownBy;
  readonly disguise?: Disguise | undefined;
}

/** Adds to `into` what versions tell of each patient. */
export function gather(
  feature: Feature,
  versions: readonly FeatureVersion[],
  { patients, base, knownBy, disguise }: Gathering,
  into: Map<string, Candidate[]>,
): void {
  for (const { resource, from, until } of versions) {
    if (resource.resourceType !== feature.view.resource) continue;
    // Who shares a part of the database, and whom the version was about before it was corrected.
    const about = patientsOf(resource, base);
    const given = disguise ? disguise.resource(resource) : resource;
    if (!given) continue;
    const rows: Row[] = [];
    feature.view.rows(given, rows);
    for (const row of rows) {
      const shown = row[feature.patient];
      const patient = typeof shown === 'string' ? patients.get(shown) : undefined;
      if (patient === undefined || !about.includes(patient)) continue;
      const when = dateOf(row[feature.time]);
      if (when === undefined) continue;
      const moved = (ms: number) =>
        disguise && ms !== FOREVER ? disguise.moment(about.length === 1 ? patient : undefined, ms) : ms;
      const known = knownBy === 'column' ? dateOf(row[feature.known!]) : moved(from);
      if (known === undefined) continue;
      const list = into.get(patient) ?? [];
      list.push({ row, happened: when, from: known, until: knownBy === 'column' ? FOREVER : moved(until) });
      into.set(patient, list);
    }
  }
}

/** The last moment of a date, so that a day counts as over only when it is. */
function dateOf(value: unknown): number | undefined {
  return typeof value === 'string' ? parsePartialDate(value)?.hi : undefined;
}

export function lastKnown(sorted: readonly Candidate[] | undefined, at: number): Candidate | undefined {
  return sorted?.find((c) => c.happened <= at && c.from <= at && at < c.until);
}

export function cells(feature: Feature, found: Candidate | undefined): Row {
  const values = feature.view.columns.flatMap((_column, i) =>
    i === feature.patient ? [] : [found ? found.row[i] : null],
  );
  return [...values, found ? new Date(found.from).toISOString() : null];
}

/** Columns of the offline table of a feature: those of its view, and between which times each row was known. */
export function historyColumns({ view }: Feature): FeatureColumn[] {
  return [
    ...view.columns.map(({ name, type, collection }) => ({ name, type, collection })),
    { name: 'known_from', type: 'instant', collection: false },
    { name: 'known_until', type: 'instant', collection: false },
  ];
}

/** Rows of the offline table from versions. */
export function historyRows(
  { view }: Feature,
  versions: readonly FeatureVersion[],
  disguise?: Disguise,
): Row[] {
  const out: Row[] = [];
  for (const { resource, from, until } of versions) {
    const begin = out.length;
    const given = disguise ? disguise.resource(resource) : resource;
    if (!given) continue;
    view.rows(given, out);
    const about = disguise ? patientsOf(resource) : [];
    const shown = (ms: number) =>
      new Date(disguise?.moment(about.length === 1 ? about[0] : undefined, ms) ?? ms).toISOString();
    for (let i = begin; i < out.length; i++)
      out[i]!.push(shown(from), until === FOREVER ? null : shown(until));
  }
  return out;
}
