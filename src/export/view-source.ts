import { Fault, invalid } from '../core/fault.js';
import { isFhirId } from '../core/ids.js';
import type { Resource, StoredResource } from '../core/resource.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import type { Search } from '../search/search.js';
import type { RowKey, Store } from '../store/contract.js';
import type { SegmentMember } from '../store/segment.js';
import type { Snapshot } from '../store/snapshot.js';
import type { Tenant } from '../tenancy/tenant.js';
import { ASSOCIATED_TYPES, type BulkScope, COMPARTMENT_TYPES, scopeStatements } from './bulk-rows.js';
import { readyViews } from './ready-views.js';

/** Where views and the resources they are of come from. */

export interface ViewFinder {
  readonly store: Store;
  readonly search: Search;
  /** FHIR base of a tenant, absolute, without trailing slash. */
  readonly baseOf: (tenant: Tenant) => string;
}

/** Resources with one canonical URL that are looked at. */
const MAX_VERSIONS = 100;

const notFound = (at: string) =>
  new Fault('not-found', 'There is no such ViewDefinition here.', {
    at,
    remedy: 'Name one by ViewDefinition/id or by its canonical URL; `cenote view list` shows them.',
  });

/**
 * The ViewDefinition that an id, a reference (`ViewDefinition/id`, absolute on this server) or a canonical URL (with
 * `|version` or not) names: the tenant's own first, then one that comes with the program.
 * @throws Fault `not-found`, `gone`
 */
export async function findView(
  { store, search, baseOf }: ViewFinder,
  tenant: Tenant,
  name: string,
  at = 'viewReference',
): Promise<Resource> {
  const local = name.startsWith(`${baseOf(tenant)}/`) ? name.slice(baseOf(tenant).length + 1) : name;
  const id = local.startsWith('ViewDefinition/') ? local.slice('ViewDefinition/'.length) : local;
  if (isFhirId(id)) {
    const read = await store.read(tenant, 'ViewDefinition', id);
    if (read?.resource) return read.resource;
    if (read) throw new Fault('gone', 'The ViewDefinition was deleted.', { at });
    const ready = readyViews().get(id);
    if (ready) return ready;
    throw notFound(at);
  }
  const [url, version] = name.split('|') as [string, string | undefined];
  const escaped = (text: string) => encodeURIComponent(text.replace(/[\\,$|]/g, '\\$&'));
  const query = `url=${escaped(url)}${version === undefined ? '' : `&version=${escaped(version)}`}`;
  const own = await search.findMatches(tenant, 'ViewDefinition', query, MAX_VERSIONS, baseOf(tenant));
  // The one written last, where several resources have the address.
  const [latest] = [...own].sort((a, b) => (a.meta.lastUpdated < b.meta.lastUpdated ? 1 : -1));
  if (latest) return latest;
  for (const ready of readyViews().values())
    if (ready.url === url && (version === undefined || ready.version === version)) return ready;
  throw notFound(at);
}

export interface ViewChoice {
  /** Type of the resources. */
  readonly type: string;
  /** Only what is in the compartments of these patients, or referred to from there; everything where not given. */
  readonly patients?: readonly string[] | undefined;
  /** Last updated at or after, ms. */
  readonly sinceMs?: number | undefined;
}

/** @throws Fault `invalid` for patients of a type that no patient's record leads to. */
export function requireScope({ type, patients }: Pick<ViewChoice, 'type' | 'patients'>): void {
  if (patients === undefined || COMPARTMENT_TYPES.includes(type) || ASSOCIATED_TYPES.includes(type)) return;
  throw invalid(
    `Resources of the type ${type} belong to no patient.`,
    'patient',
    'Leave patient and group out.',
  );
}

const MAX_FILE_NAME_CHARS = 50;

/** A view's name as that of a file and in an address: it stands there as it is, and once. */
export function viewFileName(name: string, taken: readonly string[]): string {
  const plain =
    name
      .replace(/[^A-Za-z0-9-]+/g, '-')
      .replace(/^-+/, '')
      .slice(0, MAX_FILE_NAME_CHARS) || 'view';
  for (let n = 1; ; n++) {
    const given = n === 1 ? plain : `${plain}-${n}`;
    if (!taken.includes(given)) return given;
  }
}

/** The current resources that a view is of, a batch at a time. */
export async function* storedResources(
  snapshot: Snapshot,
  choice: ViewChoice,
  context: IndexContext,
): AsyncGenerator<StoredResource[]> {
  for await (const rows of storedRows(snapshot, choice, context)) yield snapshot.readRows(rows);
}

/** As `storedResources`, their contents as text. */
export async function* storedMembers(
  snapshot: Snapshot,
  choice: ViewChoice,
  context: IndexContext,
): AsyncGenerator<SegmentMember[]> {
  for await (const rows of storedRows(snapshot, choice, context)) yield snapshot.members(rows);
}

async function* storedRows(
  snapshot: Snapshot,
  { type, patients, sinceMs }: ViewChoice,
  context: IndexContext,
): AsyncGenerator<RowKey[]> {
  const { keys } = snapshot.tenant;
  const scope: BulkScope = patients
    ? { kind: 'patients', pkeys: [...new Set(patients)].map((id) => keys.rid('Patient', id)) }
    : { kind: 'system' };
  for (const { text, values } of scopeStatements(scope, { types: [type], sinceMs }, context)) {
    yield* snapshot.rows(text, values);
  }
}

/**
 * As `storedResources`, by search: for a caller who sees a part of the tenant, whose statements run one by one on what
 * may be found. Not of one moment; of patients, what their records refer to is left out.
 */
export async function* foundResources(
  search: Search,
  tenant: Tenant,
  { type, patients, sinceMs }: ViewChoice,
  base: string,
): AsyncGenerator<StoredResource[]> {
  const params: [string, string][] =
    sinceMs === undefined ? [] : [['_lastUpdated', `ge${new Date(sinceMs).toISOString()}`]];
  const request = { type, params, strict: true, base };
  if (patients === undefined) {
    yield* search.stream(tenant, request);
    return;
  }
  const seen = new Set<string>();
  for (const id of new Set(patients)) {
    for await (const batch of search.stream(tenant, { ...request, compartment: { type: 'Patient', id } })) {
      const fresh = batch.filter((resource) => !seen.has(resource.id));
      // A record of several patients is found with each of them.
      if (patients.length > 1) for (const resource of fresh) seen.add(resource.id);
      yield fresh;
    }
  }
}
