import { Fault, invalid, isFault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { informationOutcome, operationOutcome } from '../fhir/outcome.js';
import type { Store } from '../store/contract.js';
import { type Check, isObject } from '../tasks/bundle-entry.js';
import type { TenantProfiles } from '../tasks/profiles.js';
import type { Tenant } from '../tenancy/tenant.js';
import { type FhirRequest, type Handler, oneParam } from './exchange.js';
import type { Route } from './router.js';

const MODES = new Set(['create', 'update', 'delete', 'profile']);

/**
 * `$validate` (R4 resource-operation-validate.html), of a resource in the body or of a stored one. What was found is
 * the answer, so it comes with 200 whether it is good or bad. Besides R4 itself a resource is held to the profile asked
 * for, or else to those that its meta.profile claims, as far as they are loaded in the tenant.
 */
export function validateRoutes(store: Store, check: Check, profiles: TenantProfiles): Route[] {
  const handle: Handler = async (request) => {
    const { resource, mode, profile } = await inputOf(request, store);
    if (mode !== undefined && !MODES.has(mode))
      throw invalid('mode is not one of create, update, delete, profile.', 'mode');
    if (profile !== undefined && !(await profiles.of(request.tenant)).has(profile)) {
      throw new Fault('unsupported', 'The profile is not loaded here.', {
        at: 'profile',
        remedy: 'Load its package with `cenote profiles load`, or leave profile out.',
      });
    }
    if (mode === 'delete')
      return { status: 200, resource: informationOutcome('The resource can be deleted.') };
    try {
      const checked = check(resource, request.at.type);
      if (mode === 'update' && checked.id === undefined)
        throw invalid('An update needs an id.', `${checked.resourceType}.id`);
      if (mode === 'update' && request.at.id !== undefined && checked.id !== request.at.id)
        throw invalid('The id is not the one in the address.', `${checked.resourceType}.id`);
      return { status: 200, resource: await byProfiles(profiles, request.tenant, checked, profile) };
    } catch (error) {
      if (!isFault(error) || error.category !== 'invalid') throw error;
      return { status: 200, resource: operationOutcome(error) };
    }
  };
  const claim = {
    kind: 'operation',
    name: 'validate',
    definition: 'http://hl7.org/fhir/OperationDefinition/Resource-validate',
  } as const;
  return [
    { method: 'POST', path: ':type/$validate', claim, needs: 'each', handle },
    { method: 'POST', path: ':type/:id/$validate', claim, needs: 'each', handle },
    { method: 'GET', path: ':type/:id/$validate', claim, needs: 'r', handle },
  ];
}

/** A resource that R4 has nothing against, held to one profile or to those it claims. */
async function byProfiles(
  profiles: TenantProfiles,
  tenant: Tenant,
  resource: Resource,
  asked: string | undefined,
): Promise<Resource> {
  const claimed = asked === undefined ? (resource.meta?.profile ?? []) : [asked];
  const urls = claimed.filter((url) => typeof url === 'string').slice(0, MAX_PROFILES);
  if (urls.length === 0) return informationOutcome('No issues were found.');
  const loaded = await profiles.of(tenant);
  const faults = urls.filter((url) => loaded.has(url)).flatMap((url) => loaded.check(resource, url));
  const unknown = urls
    .filter((url) => !loaded.has(url) && url !== `${BASE_PROFILES}${resource.resourceType}`)
    .map(
      (url) =>
        new Fault('unsupported', `The profile ${url} is not loaded here: it was not looked at.`, {
          at: `${resource.resourceType}.meta.profile`,
          remedy: 'Load its package with `cenote profiles load`.',
        }),
    );
  if (faults.length === 0 && unknown.length === 0) return informationOutcome('No issues were found.');
  const issues = [
    ...(faults.length > 0 ? issuesOf(operationOutcome(faults)) : []),
    ...(unknown.length > 0 ? issuesOf(operationOutcome(unknown, 'warning')) : []),
  ];
  return { resourceType: 'OperationOutcome', issue: issues };
}

/** Of a resource that claims more profiles, the first ones are looked at. */
const MAX_PROFILES = 20;

/** R4's own types are what every resource is held to. */
const BASE_PROFILES = 'http://hl7.org/fhir/StructureDefinition/';

function issuesOf(outcome: Resource): readonly unknown[] {
  return Array.isArray(outcome.issue) ? outcome.issue : [];
}

interface Input {
  readonly resource: unknown;
  readonly mode: string | undefined;
  readonly profile: string | undefined;
}

async function inputOf(request: FhirRequest, store: Store): Promise<Input> {
  const mode = oneParam(request, 'mode');
  const profile = oneParam(request, 'profile');
  if (request.method === 'GET') return { resource: await stored(request, store), mode, profile };
  const { json } = await request.body(['json']);
  if (!isObject(json) || json.resourceType !== 'Parameters' || request.at.type === 'Parameters')
    return { resource: json, mode, profile };
  const list = Array.isArray(json.parameter) ? json.parameter.filter(isObject) : [];
  const named = (name: string) => list.find((p) => p.name === name);
  const text = (name: string) => {
    const p = named(name);
    const value = p?.valueCode ?? p?.valueUri ?? p?.valueCanonical ?? p?.valueString;
    return typeof value === 'string' ? value : undefined;
  };
  const given = named('resource')?.resource;
  const chosen = mode ?? text('mode');
  if (given === undefined && chosen !== 'delete' && request.at.id === undefined) {
    throw invalid('There is no resource to validate.', "Parameters.parameter.where(name='resource')");
  }
  return {
    resource: given ?? (request.at.id === undefined ? undefined : await stored(request, store)),
    mode: chosen,
    profile: profile ?? text('profile'),
  };
}

async function stored({ tenant, at, access }: FhirRequest, store: Store): Promise<Resource> {
  if (!access.allows(at.type!, 'r'))
    throw new Fault('forbidden', 'The token does not permit reading this type.');
  const found = await store.read(tenant, at.type!, at.id!);
  if (!found?.resource)
    throw new Fault(found ? 'gone' : 'not-found', 'There is no such resource to validate.');
  return found.resource;
}
