import type { Resource } from '../core/resource.js';
import { mapReferences } from '../fhir/references.js';
import { extensionUrl } from '../mapping/document.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { BundleDeps } from './bundle.js';
import { type Criteria, parseCriteria } from './bundle-criteria.js';

/** Resources that one message or document speaks of. */
export interface Linkable {
  readonly line: number | undefined;
  readonly resources: readonly Resource[];
  /** Whether it is about the person and the visit, so that what it says of them replaces what is known. */
  readonly authoritative: boolean;
  /** When it was said; absent where that is not known. */
  readonly saidAt?: string | undefined;
}

/** A resource ready to be written, and where it came from. */
export interface Linked {
  readonly line: number | undefined;
  readonly resource: Resource;
}

/** Types that messages mention beside what they are about: what one leaves out, another has said. */
const MENTIONED = new Set(['Patient', 'Encounter', 'Practitioner', 'RelatedPerson', 'Organization']);
/** Elements of which a new value stands beside the old ones. */
const GATHERED = new Set(['identifier']);
/** Typed wrong too often to prove that two records are one person. */
const NO_PROOF = new Set(['http://hl7.org/fhir/sid/us-ssn']);
/** Identifiers of one person that are looked for, and the longest of them. */
const MAX_IDENTIFIERS = 8;
const MAX_VALUE_LENGTH = 200;
const CRITERIA_AT_ONCE = 200;

interface Identifier {
  system?: string;
  value?: string;
}

/**
 * Joins what messages say to what is here. A person who has an identifier of a Patient of this tenant is that Patient,
 * whatever id the messages give; what a message only mentions fills gaps and takes nothing away.
 */
export async function linked(
  deps: BundleDeps,
  tenant: Tenant,
  groups: readonly Linkable[],
): Promise<Linked[]> {
  const ids = await patientIds(deps, tenant, groups);
  const moved = groups.map((group) => ({
    ...group,
    resources: group.resources.map((resource) => withIds(resource, ids)),
  }));
  const mentioned = new Map<string, Resource | undefined>();
  for (const { resources } of moved)
    for (const { resourceType, id } of resources)
      if (MENTIONED.has(resourceType)) mentioned.set(`${resourceType}/${id}`, undefined);
  const keys = [...mentioned.keys()].map((key) => {
    const [type = '', id = ''] = key.split('/');
    return { type, id };
  });
  const known = await deps.store.readMany(tenant, keys);
  keys.forEach(({ type, id }, i) => {
    mentioned.set(`${type}/${id}`, known[i] && withoutVersion(known[i]));
  });
  const lineOf = new Map<string, number | undefined>();
  const others: Linked[] = [];
  for (const { line, resources, authoritative, saidAt } of moved) {
    for (const resource of resources) {
      const key = `${resource.resourceType}/${resource.id}`;
      if (!mentioned.has(key)) {
        others.push({ line, resource });
        continue;
      }
      mentioned.set(key, said(mentioned.get(key), resource, authoritative, saidAt));
      lineOf.set(key, line);
    }
  }
  return [
    ...[...mentioned].map(([key, resource]) => ({ line: lineOf.get(key), resource: resource! })),
    ...others,
  ];
}

function identifiersOf(resource: Resource): Identifier[] {
  const all = Array.isArray(resource.identifier) ? (resource.identifier as Identifier[]) : [];
  return all
    .filter(
      ({ system, value }) => system && value && value.length <= MAX_VALUE_LENGTH && !NO_PROOF.has(system),
    )
    .slice(0, MAX_IDENTIFIERS);
}

/** The id each Patient of the groups is kept under: its own, or that of who has one of its identifiers. */
export async function patientIds(
  deps: BundleDeps,
  tenant: Tenant,
  groups: readonly Linkable[],
): Promise<ReadonlyMap<string, string>> {
  const ids = new Map<string, string>();
  const byIdentifier = new Map<string, string>();
  const identifiers = new Map<string, Map<string, Identifier>>();
  for (const { resources } of groups) {
    for (const resource of resources) {
      if (resource.resourceType !== 'Patient') continue;
      const own = identifiersOf(resource);
      const key = ({ system, value }: Identifier) => `${system}|${value}`;
      const id =
        own.map((one) => byIdentifier.get(key(one))).find(Boolean) ?? ids.get(resource.id!) ?? resource.id!;
      ids.set(resource.id!, id);
      const all = identifiers.get(id) ?? new Map<string, Identifier>();
      identifiers.set(id, all);
      for (const one of own) {
        if (!byIdentifier.has(key(one))) byIdentifier.set(key(one), id);
        all.set(key(one), one);
      }
    }
  }
  const searched = [...identifiers].filter(([, all]) => all.size > 0);
  const found = new Map<string, string>();
  for (let i = 0; i < searched.length; i += CRITERIA_AT_ONCE) {
    const part = searched.slice(i, i + CRITERIA_AT_ONCE);
    const matches = await deps.findMany(
      tenant,
      part.map(([, all]) => criteriaOf([...all.values()])),
      undefined,
    );
    part.forEach(([id], n) => {
      const known = new Set((matches[n] ?? []).map(successor));
      const [only] = known;
      // Several people with identifiers of one message: no identifier proves which, so none is chosen.
      if (known.size === 1 && only !== id) found.set(id, only!);
    });
  }
  for (const [id, kept] of ids) ids.set(id, found.get(kept) ?? kept);
  return ids;
}

function criteriaOf(identifiers: readonly Identifier[]): Criteria {
  const escaped = (text: string) => text.replace(/[\\,$|]/g, (c) => `\\${c}`);
  const value = identifiers
    .slice(0, MAX_IDENTIFIERS)
    .map((one) => `${escaped(one.system!)}|${escaped(one.value!)}`)
    .join(',');
  return parseCriteria('Patient', new URLSearchParams({ identifier: value }).toString(), 'identifier');
}

/** The record that goes on where one was ended in favour of another. */
function successor(patient: Resource): string {
  const links = (patient.link as { type?: string; other?: { reference?: string } }[] | undefined) ?? [];
  const reference = links.find(({ type }) => type === 'replaced-by')?.other?.reference;
  return /^Patient\/([A-Za-z0-9\-.]{1,64})$/.exec(reference ?? '')?.[1] ?? patient.id!;
}

function withIds(resource: Resource, ids: ReadonlyMap<string, string>): Resource {
  const target = (reference: string) => {
    const id = /^Patient\/(.+)$/.exec(reference)?.[1];
    const kept = id === undefined ? undefined : ids.get(id);
    return kept !== undefined && kept !== id ? `Patient/${kept}` : undefined;
  };
  // A record that was ended keeps its own id, else its link would point to itself.
  if (resource.resourceType === 'Patient' && resource.link === undefined) {
    return { ...resource, id: ids.get(resource.id!) ?? resource.id };
  }
  return mapReferences(resource, target);
}

function withoutVersion(resource: Resource): Resource {
  const { versionId: _, lastUpdated: __, ...meta } = resource.meta ?? {};
  const { meta: ___, ...rest } = resource;
  return Object.keys(meta).length > 0 ? { ...rest, meta } : (rest as Resource);
}

const MESSAGE_TIME = extensionUrl('message-time');

interface Timed {
  url?: string;
  valueDateTime?: string;
}

function timeOf(resource: Resource | undefined): string | undefined {
  const extensions = (resource?.meta?.extension as Timed[] | undefined) ?? [];
  return extensions.find(({ url }) => url === MESSAGE_TIME)?.valueDateTime;
}

/**
 * What is known with what is said added. Messages arrive in any order and more than once: one that is older than the
 * last that replaced something only fills gaps.
 */
function said(
  known: Resource | undefined,
  news: Resource,
  authoritative: boolean,
  saidAt: string | undefined,
): Resource {
  const last = timeOf(known);
  const replaces =
    authoritative && (last === undefined || saidAt === undefined || Date.parse(saidAt) >= Date.parse(last));
  const out = merged(known, news, replaces);
  if (!replaces || saidAt === undefined) return out;
  const others = ((out.meta?.extension as Timed[] | undefined) ?? []).filter(
    ({ url }) => url !== MESSAGE_TIME,
  );
  return {
    ...out,
    meta: { ...out.meta, extension: [...others, { url: MESSAGE_TIME, valueDateTime: saidAt }] },
  };
}

export function merged(known: Resource | undefined, said: Resource, replaces: boolean): Resource {
  if (!known) return said;
  const out: Resource = { ...known };
  for (const [element, value] of Object.entries(said)) {
    if (element === 'resourceType' || element === 'id' || element === 'meta') continue;
    if (GATHERED.has(element)) out[element] = gathered(known[element], value);
    else if (!hasChoice(known, element) || replaces) {
      // An element that is there keeps its place: another order would be another version.
      for (const other of Object.keys(out))
        if (other !== element && sameChoice(other, element)) delete out[other];
      out[element] =
        element === 'period' && replaces
          ? { ...(known.period as object | undefined), ...(value as object) }
          : value;
    }
  }
  return out;
}

/** `deceasedBoolean` and `deceasedDateTime` are one element. */
function sameChoice(one: string, other: string): boolean {
  return one === other || (/^deceased[A-Z]/.test(one) && /^deceased[A-Z]/.test(other));
}

function hasChoice(resource: Resource, element: string): boolean {
  return Object.keys(resource).some((other) => sameChoice(other, element));
}

export function gathered(known: unknown, said: unknown): unknown[] {
  const out = Array.isArray(known) ? [...(known as Identifier[])] : [];
  for (const one of said as Identifier[]) {
    if (!out.some((other) => other.system === one.system && other.value === one.value)) out.push(one);
  }
  return out;
}
