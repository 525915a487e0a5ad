import { Fault, invalid } from '../core/fault.js';
import type { CodeableConcept, Coding, Resource, StoredResource } from '../core/resource.js';
import { poolReader } from '../search/reader.js';
import type { Search } from '../search/search.js';
import { type CodeKnowledge, codeKnowledge } from '../search/value-sets.js';
import type { Store } from '../store/contract.js';
import { isObject } from '../tasks/bundle-entry.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { Concept } from './concepts.js';
import { type FhirRequest, oneParam } from './exchange.js';
import { parametersBody } from './operation-input.js';

/**
 * What the terminology operations of R4 (terminology-service.html) need: they work over the CodeSystem, ValueSet and ConceptMap resources
 * of the tenant, and the value sets that R4 itself binds elements to.
 */
export interface TerminologyDeps {
  readonly store: Store;
  readonly search: Search;
  readonly baseOf: (tenant: Tenant) => string;
}

const MAX_VERSIONS = 20;

/** The input of an operation: by address or body, each parameter by name. */
export interface Input {
  text(name: string): string | undefined;
  coding(name: string): Coding | undefined;
  concept(name: string): CodeableConcept | undefined;
  resource(name: string): Resource | undefined;
}

export async function inputOf(request: FhirRequest): Promise<Input> {
  const list = request.method === 'POST' ? await parametersBody(request) : [];
  const named = (name: string) => list.find((parameter) => parameter.name === name);
  const object = (name: string, key: string) => {
    const value = named(name)?.[key];
    return isObject(value) ? value : undefined;
  };
  return {
    text: (name) => {
      const given = oneParam(request, name);
      if (given !== undefined) return given;
      const parameter = named(name) ?? {};
      const key = Object.keys(parameter).find((k) => k.startsWith('value'));
      const value = key === undefined ? undefined : parameter[key];
      return typeof value === 'string'
        ? value
        : typeof value === 'number' || typeof value === 'boolean'
          ? String(value)
          : undefined;
    },
    coding: (name) => {
      const value = object(name, 'valueCoding');
      if (value) return value as Coding;
      // A coding in an address is written system|code.
      const [system, code] = (oneParam(request, name) ?? '').split('|');
      return system && code ? { system, code } : undefined;
    },
    concept: (name) => object(name, 'valueCodeableConcept') as CodeableConcept | undefined,
    resource: (name) => {
      const value = named(name)?.resource;
      return isObject(value) ? (value as Resource) : undefined;
    },
  };
}

export function knowledgeOf({ store, baseOf }: TerminologyDeps, tenant: Tenant): CodeKnowledge {
  return codeKnowledge(poolReader(store, tenant), { blind: tenant.keys.blind, base: baseOf(tenant) });
}

/** The resource of the address, or the newest one with the canonical URL; undefined where there is none. */
export async function byCanonical(
  deps: TerminologyDeps,
  { tenant, at }: FhirRequest,
  type: string,
  canonical: string | undefined,
  version: string | undefined,
): Promise<StoredResource | undefined> {
  if (at.id !== undefined) {
    const found = await deps.store.read(tenant, type, at.id);
    if (!found?.resource) throw new Fault(found ? 'gone' : 'not-found', `There is no such ${type}.`);
    return found.resource;
  }
  if (canonical === undefined) return undefined;
  const [url = '', tail] = canonical.split('|');
  const wanted = version ?? tail;
  const query = new URLSearchParams({ url });
  const found = await deps.search.findMatches(
    tenant,
    type,
    query.toString(),
    MAX_VERSIONS,
    deps.baseOf(tenant),
  );
  return found
    .filter((resource) => wanted === undefined || resource.version === wanted)
    .sort((a, b) => (a.meta.lastUpdated < b.meta.lastUpdated ? 1 : -1))[0];
}

export async function systemOf(
  deps: TerminologyDeps,
  request: FhirRequest,
  url: string | undefined,
  version?: string,
): Promise<StoredResource> {
  const found = await byCanonical(deps, request, 'CodeSystem', url, version);
  if (found) return found;
  throw new Fault('not-found', 'The code system is not known here.', {
    at: 'system',
    remedy: 'Store its CodeSystem, with its concepts, first.',
  });
}

export const parameters = (list: readonly (Record<string, unknown> | undefined)[]): Resource => ({
  resourceType: 'Parameters',
  parameter: list.filter((item) => item !== undefined),
});

export const verdict = (
  result: boolean,
  message: string | undefined,
  display: string | undefined,
): Resource =>
  parameters([
    { name: 'result', valueBoolean: result },
    message === undefined ? undefined : { name: 'message', valueString: message },
    display === undefined ? undefined : { name: 'display', valueString: display },
  ]);

/** The codings whose validity is asked: any of a CodeableConcept's will do. */
export function askedCodings(input: Input): Coding[] {
  const concept = input.concept('codeableConcept');
  if (concept) return concept.coding ?? [];
  const coding = input.coding('coding');
  if (coding) return [{ ...coding, display: coding.display ?? input.text('display') }];
  const code = input.text('code');
  if (code === undefined)
    throw invalid(
      'There is no code to validate.',
      'code',
      'Send code with system, coding or codeableConcept.',
    );
  return [{ system: input.text('system'), code, display: input.text('display') }];
}

export function judged(concept: Concept | undefined, display: string | undefined): Resource {
  const names = concept
    ? [concept.display, ...concept.designations.map((d) => d.value)].filter((n) => n !== undefined)
    : [];
  const right =
    display === undefined ||
    names.length === 0 ||
    names.some((n) => n.toLowerCase() === display.toLowerCase());
  return verdict(right, right ? undefined : 'The display is not one of the code.', concept?.display);
}
