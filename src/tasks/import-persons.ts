import type { Resource } from '../core/resource.js';
import { mapReferences, visitReferences } from '../fhir/references.js';
import { parseCriteria } from './bundle-criteria.js';
import type { FileImport } from './import-apply.js';
import type { FileState } from './import-ledger.js';
import { gathered, merged, patientIds } from './import-linked.js';

/**
 * Joins the Patients of FHIR files to those who are here, where an identifier proves that they are one person: the
 * record that came later fills gaps of the one that is here, and what refers to it refers to that one. The id it came
 * with is kept as an identifier of ours, by which later files and later imports find the way.
 */
export const FORMER_ID_SYSTEM = 'https://cenote.health/fhir/former-patient-id';

/** People who may be one are named in the report, at most so many of one file. */
export const MAX_CANDIDATES_PER_FILE = 1_000;
/** Found for one person; more is a common name, and tells nothing. */
const MAX_ALIKE = 5;

/** Somebody who may be a person who is here, though no identifier proves it: same name, birth date and gender. */
export interface Candidate {
  readonly line?: number;
  /** Ids of the Patients: the one that came, and the one that is here. */
  readonly patient: string;
  readonly like: string;
}

/** What a batch became, in its order. */
export interface Joined {
  readonly resources: readonly Resource[];
  /** Patients that were joined to another. */
  readonly joined: number;
}

/** Joins the people of one batch. Must not run beside another of the same import. */
export async function joinPersons(
  run: FileImport,
  state: FileState,
  resources: readonly Resource[],
  lineOf: (at: number) => number | undefined,
): Promise<Joined> {
  const { deps, tenant } = run;
  const groups = resources.map((resource) => ({
    line: undefined,
    resources: [resource],
    authoritative: true,
  }));
  const ids = new Map(await patientIds(deps, tenant, groups));
  await addFormerIds(run, resources, ids);
  const known = new Map<string, Resource | undefined>();
  const wanted = [...new Set(ids.values())];
  const found = await deps.store.readMany(
    tenant,
    wanted.map((id) => ({ type: 'Patient', id })),
  );
  wanted.forEach((id, i) => {
    known.set(id, found[i] && withoutVersion(found[i]));
  });
  let joined = 0;
  const out: Resource[] = [];
  for (const [at, resource] of resources.entries()) {
    const id = resource.resourceType === 'Patient' ? ids.get(resource.id ?? '') : undefined;
    // What the check will refuse goes to it as it came.
    if (id === undefined || resource.link !== undefined || !isReadable(resource)) {
      out.push(mapReferences(resource, (reference) => moved(reference, ids)));
      continue;
    }
    const before = known.get(id);
    const isOther = id !== resource.id;
    const former = isOther ? [{ system: FORMER_ID_SYSTEM, value: resource.id }] : [];
    const said =
      former.length > 0 ? { ...resource, identifier: gathered(resource.identifier, former) } : resource;
    if (isOther) joined++;
    else if (!before) await noteCandidates(run, state, resource, lineOf(at));
    const now = before ? merged(before, said, !isOther) : { ...said, id };
    known.set(id, now);
    out.push(now);
  }
  return { resources: out, joined };
}

const isReadable = ({ identifier = [], name = [] }: Resource) =>
  Array.isArray(identifier) && Array.isArray(name);

function moved(reference: string, ids: ReadonlyMap<string, string>): string | undefined {
  const id = /^Patient\/([A-Za-z0-9\-.]{1,64})$/.exec(reference)?.[1];
  const kept = id === undefined ? undefined : ids.get(id);
  return kept !== undefined && kept !== id ? `Patient/${kept}` : undefined;
}

function withoutVersion(resource: Resource): Resource {
  const { versionId: _, lastUpdated: __, ...meta } = resource.meta ?? {};
  const { meta: ___, ...rest } = resource;
  return Object.keys(meta).length > 0 ? { ...rest, meta } : (rest as Resource);
}

/** Adds where Patients that are referred to went, of those who are not here under their own id. */
async function addFormerIds(
  { deps, tenant }: FileImport,
  resources: readonly Resource[],
  ids: Map<string, string>,
): Promise<void> {
  const referred = new Set<string>();
  for (const resource of resources)
    visitReferences(resource, (reference) => {
      const id = /^Patient\/([A-Za-z0-9\-.]{1,64})$/.exec(reference)?.[1];
      if (id !== undefined && !ids.has(id)) referred.add(id);
    });
  const asked = [...referred];
  const here = await deps.store.readMany(
    tenant,
    asked.map((id) => ({ type: 'Patient', id })),
  );
  const missing = asked.filter((_, i) => !here[i]);
  const matches = await deps.findMany(
    tenant,
    missing.map((id) =>
      parseCriteria(
        'Patient',
        new URLSearchParams({ identifier: `${FORMER_ID_SYSTEM}|${id}` }).toString(),
        'identifier',
      ),
    ),
    undefined,
  );
  missing.forEach((id, i) => {
    const [only, ...others] = matches[i] ?? [];
    if (only && others.length === 0) ids.set(id, only.id);
  });
}

interface HumanName {
  readonly family?: string;
  readonly given?: readonly string[];
}

async function noteCandidates(
  { deps, tenant }: FileImport,
  state: FileState,
  patient: Resource,
  line: number | undefined,
): Promise<void> {
  const [name] = (patient.name as readonly HumanName[] | undefined) ?? [];
  const given = name?.given?.[0];
  const { birthDate, gender } = patient;
  if (!name?.family || !given || typeof birthDate !== 'string' || patient.id === undefined) return;
  if (state.candidates.length >= MAX_CANDIDATES_PER_FILE) return;
  const text = (value: string) => value.replace(/[\\,$|]/g, (c) => `\\${c}`);
  const query = new URLSearchParams({
    'family:exact': text(name.family),
    'given:exact': text(given),
    birthdate: birthDate,
  });
  if (typeof gender === 'string') query.set('gender', gender);
  const alike = await deps.find(
    tenant,
    parseCriteria('Patient', query.toString(), 'name'),
    MAX_ALIKE + 1,
    undefined,
  );
  if (alike.length > MAX_ALIKE) return;
  for (const { id } of alike)
    if (id !== patient.id)
      state.candidates.push({ patient: patient.id, like: id, ...(line === undefined ? {} : { line }) });
}
