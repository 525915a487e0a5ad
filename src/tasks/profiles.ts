import type { Readable } from 'node:stream';
import { Fault, invalid, isFault } from '../core/fault.js';
import { parseJson } from '../core/json.js';
import type { Resource } from '../core/resource.js';
import { createProfiles, type Profiles } from '../fhir/profiles/check-profile.js';
import { membershipOf } from '../fhir/profiles/membership.js';
import { typeNumber } from '../fhir/resource-types.js';
import { inflated } from '../ingest/lines.js';
import { isTar, tarMembers } from '../ingest/tar.js';
import type { Search } from '../search/search.js';
import type { Actor } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';
import { applyBundle, type BundleDeps } from './bundle.js';
import { checkAt, isObject } from './bundle-entry.js';
import { type BundleCounts, noCounts } from './bundle-result.js';

/** Largest package, unpacked, in bytes: that of R4 itself is 190 MB. */
export const MAX_PACKAGE_BYTES = 512 * 1024 * 1024;
/** Largest resource of a package, in bytes. */
const MAX_RESOURCE_BYTES = 64 * 1024 * 1024;
/** Resources that are stored together. */
const RESOURCES_PER_COMMIT = 200;
/** Definitions of one tenant that are held at once to validate by. */
const MAX_DEFINITIONS = 20_000;
/** Tenants whose compiled profiles are kept; US Core takes some 30 MB. */
const MAX_TENANTS_KEPT = 16;

/** What is taken of a package: the resources that define something. Its examples and pictures are left. */
const DEFINITIONS = new Set([
  'StructureDefinition',
  'ValueSet',
  'CodeSystem',
  'ConceptMap',
  'NamingSystem',
  'SearchParameter',
  'OperationDefinition',
  'CapabilityStatement',
  'ImplementationGuide',
  'Questionnaire',
]);

/** What validating by a profile looks at. */
const VALIDATING = ['StructureDefinition', 'ValueSet', 'CodeSystem'] as const;

/** What a package says of itself (its package.json), and what it holds. */
export interface ProfilePackage {
  readonly name: string;
  readonly version: string;
  readonly resources: readonly { readonly file: string; readonly resource: Resource }[];
}

/**
 * Reads a FHIR package (.tgz): the definitions right in its folder `package`.
 * @throws Fault `invalid` for a file that is no package of FHIR R4, `too-large` beyond the limits above
 */
export async function readPackage(stream: Readable): Promise<ProfilePackage> {
  const [chunks, head] = await opened(stream);
  if (!isTar(head)) throw notAPackage('It is no .tgz archive.');
  let total = 0;
  let manifest: Record<string, unknown> | undefined;
  const resources: { file: string; resource: Resource }[] = [];
  for await (const member of tarMembers(chunks)) {
    const name = /^package\/([^/]+\.json)$/.exec(member.name)?.[1];
    if (name === undefined || name.startsWith('.')) continue;
    total += member.size;
    if (member.size > MAX_RESOURCE_BYTES || total > MAX_PACKAGE_BYTES) {
      throw new Fault('too-large', 'The package is larger than can be loaded.', {
        remedy: `A package holds at most ${MAX_PACKAGE_BYTES} bytes, a file of it ${MAX_RESOURCE_BYTES}.`,
      });
    }
    const bytes: Buffer[] = [];
    for await (const chunk of member.bytes()) bytes.push(chunk);
    const value = parsed(Buffer.concat(bytes), name);
    if (name === 'package.json') manifest = value;
    else if (typeof value.resourceType === 'string' && DEFINITIONS.has(value.resourceType))
      resources.push({ file: name, resource: value as Resource });
  }
  if (!manifest) throw notAPackage('It has no package/package.json.');
  const versions = manifest.fhirVersions ?? manifest['fhir-version-list'];
  if (Array.isArray(versions) && !versions.some((v) => String(v).startsWith('4.0')))
    throw notAPackage('It is for another release of FHIR.');
  return { name: String(manifest.name), version: String(manifest.version), resources };
}

async function opened(stream: Readable): Promise<[AsyncIterable<Buffer>, Buffer]> {
  const source = inflated(stream);
  const first: Buffer[] = [];
  let size = 0;
  // The mark of a tar archive stands within its first block.
  while (size < 512) {
    const next = await source.next();
    if (next.done) break;
    first.push(next.value);
    size += next.value.length;
  }
  const head = Buffer.concat(first);
  async function* all() {
    try {
      yield head;
      yield* source;
    } finally {
      await source.return(undefined);
    }
  }
  return [all(), head];
}

function parsed(bytes: Buffer, name: string): Record<string, unknown> {
  try {
    const value = parseJson(bytes.toString('utf8').replace(/^\uFEFF/, ''));
    if (isObject(value)) return value;
  } catch (error) {
    if (!isFault(error)) throw error;
    throw invalid(`A file of the package is no good JSON: ${error.message}`, `package/${name}`);
  }
  throw invalid('A file of the package holds no JSON object.', `package/${name}`);
}

function notAPackage(why: string): Fault {
  return invalid(
    `This is not a package of FHIR R4. ${why}`,
    undefined,
    'Give the .tgz file of an implementation guide for FHIR 4.0.',
  );
}

export interface LoadedPackage {
  readonly name: string;
  readonly version: string;
  readonly counts: BundleCounts;
  /** What was not taken, by its file in the package. */
  readonly refused: readonly { readonly file: string; readonly fault: Fault }[];
}

/**
 * Stores the definitions of a package as resources of the tenant, ids kept; loading it again changes nothing. A
 * definition whose id another canonical URL has already is refused, so that no package replaces what another brought.
 */
export async function loadPackage(
  deps: BundleDeps,
  tenant: Tenant,
  stream: Readable,
  options: { readonly actor: Actor; readonly base: string; readonly signal?: AbortSignal },
): Promise<LoadedPackage> {
  const { name, version, resources } = await readPackage(stream);
  const counts = noCounts();
  const refused: { file: string; fault: Fault }[] = [];
  for (let at = 0; at < resources.length; at += RESOURCES_PER_COMMIT) {
    options.signal?.throwIfAborted();
    const [batch, taken] = await withoutTaken(deps, tenant, resources.slice(at, at + RESOURCES_PER_COMMIT));
    refused.push(...taken);
    const bundle: Resource = {
      resourceType: 'Bundle',
      type: 'collection',
      entry: batch.map(({ resource }) => ({ resource })),
    };
    const done = await applyBundle(deps, tenant, bundle, {
      mode: 'import',
      actor: options.actor,
      base: options.base,
      // Published definitions break rules of R4 that only matter to data (narratives, names); their form must be right.
      check: checkAt('structure'),
    });
    for (const key of ['created', 'updated', 'deleted', 'unchanged'] as const)
      counts[key] += done.counts[key];
    for (const [type, n] of Object.entries(done.counts.byType))
      counts.byType[type] = (counts.byType[type] ?? 0) + n;
    for (const { entry, fault } of done.errors) refused.push({ file: batch[entry]!.file, fault });
  }
  counts.rejected = refused.length;
  return { name, version, counts, refused };
}

type Packed = ProfilePackage['resources'][number];

async function withoutTaken(
  { store }: BundleDeps,
  tenant: Tenant,
  resources: readonly Packed[],
): Promise<[Packed[], { file: string; fault: Fault }[]]> {
  const keys = resources.map(({ resource }) => ({ type: resource.resourceType, id: resource.id ?? '' }));
  const stored = await store.readMany(tenant, keys);
  const free: Packed[] = [];
  const taken: { file: string; fault: Fault }[] = [];
  resources.forEach((packed, i) => {
    const before = stored[i];
    if (before && before.url !== packed.resource.url) {
      const fault = new Fault('conflict', 'Another definition has this id already.', {
        at: `${packed.resource.resourceType}.id`,
        remedy: 'Delete that one first, if it is not needed.',
      });
      taken.push({ file: packed.file, fault });
    } else free.push(packed);
  });
  return [free, taken];
}

/** The profiles of tenants, as their StructureDefinition, ValueSet and CodeSystem resources stand. */
export interface TenantProfiles {
  of(tenant: Tenant): Promise<Profiles>;
}

export interface ProfileDeps {
  readonly search: Search;
  readonly baseOf: (tenant: Tenant) => string;
}

interface Kept {
  readonly mark: string;
  readonly profiles: Promise<Profiles>;
}

/**
 * Compiled profiles are kept per tenant until a definition is written, by whichever process: each use asks the
 * database for a mark of the definitions' versions, which an index answers.
 */
export function createTenantProfiles(deps: ProfileDeps): TenantProfiles {
  const kept = new Map<string, Kept>();
  return {
    async of(tenant) {
      const { id } = tenant.record;
      const mark = await markOf(tenant);
      let found = kept.get(id);
      kept.delete(id);
      if (found?.mark !== mark) {
        const profiles = compiled(deps, tenant);
        // What failed is tried again at the next use.
        profiles.catch(() => kept.delete(id));
        found = { mark, profiles };
      }
      kept.set(id, found);
      for (const oldest of kept.keys()) if (kept.size > MAX_TENANTS_KEPT) kept.delete(oldest);
      return found.profiles;
    },
  };
}

/** Every write of a definition adds a row that this counts. */
async function markOf(tenant: Tenant): Promise<string> {
  const { rows } = await tenant.pool.query(
    'select count(*)::text as n, sum(lu)::text as s from version where rtype = any ($1::smallint[])',
    [VALIDATING.map(typeNumber)],
  );
  return `${rows[0]?.n} ${rows[0]?.s}`;
}

async function compiled({ search, baseOf }: ProfileDeps, tenant: Tenant): Promise<Profiles> {
  const found: Resource[] = [];
  for (const type of VALIDATING) {
    const request = { type, params: [], strict: true, base: baseOf(tenant) };
    for await (const batch of search.stream(tenant, request)) {
      found.push(...batch);
      if (found.length > MAX_DEFINITIONS) {
        throw new Fault('too-large', `There are more than ${MAX_DEFINITIONS} definitions to validate by.`, {
          remedy: 'Delete the packages that are not needed.',
        });
      }
    }
  }
  const usable = found.filter((r) => r.resourceType === 'StructureDefinition' && isObject(r.snapshot));
  return createProfiles(usable, membershipOf(found));
}

/** One profile or extension of a tenant, for lists. */
export interface ProfileLine {
  readonly url: string;
  readonly version: string;
  readonly type: string;
  readonly status: string;
}

/** The StructureDefinitions of a tenant, by URL. */
export async function listProfiles({ search, baseOf }: ProfileDeps, tenant: Tenant): Promise<ProfileLine[]> {
  const lines: ProfileLine[] = [];
  const request = { type: 'StructureDefinition', params: [], strict: true, base: baseOf(tenant) };
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  for await (const batch of search.stream(tenant, request))
    for (const { url, version, type, status } of batch)
      lines.push({ url: text(url), version: text(version), type: text(type), status: text(status) });
  return lines.sort((a, b) => (a.url < b.url ? -1 : 1));
}
