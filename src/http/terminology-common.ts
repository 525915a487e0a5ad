import { Fault, invalid } from '../core/fault.js';
import type { CodeableConcept, Coding, Resource } from '../core/resource.js';
import { codeSystemOfR4 } from '../fhir/code-systems.js';
import { type Concept, findConcept } from '../fhir/concepts.js';
import { poolReader } from '../search/reader.js';
import type { Search } from '../search/search.js';
import { type CodeKnowledge, codeKnowledge } from '../search/value-sets.js';
import type { Store } from '../store/contract.js';
import { isObject } from '../tasks/bundle-entry.js';
import type { Tenant } from '../tenancy/tenant.js';
import { builtInDefinition } from './definitions.js';
import { type FhirRequest, oneParam } from './exchange.js';
import { parametersBody } from './operation-input.js';
import type { LexiconNames } from './terminology-lexicon.js';

/**
 * What the terminology operations of R4 (terminology-service.html) need: they work over the CodeSystem, ValueSet and ConceptMap resources
 * of the tenant, the code systems and bound value sets of R4 itself, and the names of codes that notes are coded with.
 */
export interface TerminologyDeps {
  readonly store: Store;
  readonly search: Search;
  readonly baseOf: (tenant: Tenant) => string;
  readonly lexicon: LexiconNames;
}

/** A code system as far as it is known here. */
export interface KnownSystem {
  readonly name: string;
  readonly version: string | undefined;
  /** Only a part of its codes is here: that one is missing says nothing about it. */
  readonly partial: boolean;
  /** With its concepts and hierarchy; undefined where only names of codes are here. */
  readonly resource: Resource | undefined;
  find(code: string): Promise<Concept | undefined>;
}

/** `CodeSystem.content` of systems that lack codes. */
const PARTIAL = new Set(['fragment', 'example', 'supplement', 'not-present']);

const MAX_VERSIONS = 20;

/** The input of an operation: by address or body, each parameter by name. */
export interface Input {
  text(name: string): string | undefined;
  /** All values of a parameter that may come several times. */
  texts(name: string): readonly string[];
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
  const texts = (name: string) => [
    ...request.params.flatMap(([key, value]) => (key === name ? [value] : [])),
    ...list.filter((parameter) => parameter.name === name).flatMap(primitive),
  ];
  return {
    text: (name) => texts(name)[0],
    texts,
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

function primitive(parameter: Record<string, unknown>): string[] {
  const key = Object.keys(parameter).find((name) => name.startsWith('value'));
  const value = key === undefined ? undefined : parameter[key];
  return ['string', 'number', 'boolean'].includes(typeof value) ? [String(value)] : [];
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
): Promise<Resource | undefined> {
  if (at.id !== undefined) {
    const found = await deps.store.read(tenant, type, at.id);
    const ofR4 = found ? undefined : builtInDefinition(type, at.id);
    if (ofR4) return ofR4;
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

/**
 * The code system as the tenant stored it, else as R4 has it, else what the lexicon knows of it.
 * @throws Fault `not-found`
 */
export async function systemOf(
  deps: TerminologyDeps,
  request: FhirRequest,
  canonical: string | undefined,
  version?: string,
): Promise<KnownSystem> {
  const known = await findSystem(deps, request, canonical, version);
  if (known) return known;
  throw new Fault('not-found', 'The code system is not known here.', {
    at: 'system',
    remedy: 'Store its CodeSystem, with its concepts, first.',
  });
}

/** As `systemOf`; undefined where the system is not known. */
export async function findSystem(
  deps: TerminologyDeps,
  request: FhirRequest,
  canonical: string | undefined,
  version?: string,
): Promise<KnownSystem | undefined> {
  const stored = await byCanonical(deps, request, 'CodeSystem', canonical, version);
  const [url = '', tail] = canonical?.split('|') ?? [];
  // A CodeSystem that says only that the system exists hides none of its codes.
  return stored && (stored.content !== 'not-present' || request.at.id !== undefined)
    ? ofResource(stored)
    : (shippedSystem(deps, url, version ?? tail) ?? (stored && ofResource(stored)));
}

function shippedSystem(
  { lexicon }: TerminologyDeps,
  url: string,
  version: string | undefined,
): KnownSystem | undefined {
  const ofR4 = codeSystemOfR4(url, version);
  if (ofR4) return ofResource(ofR4);
  const name = lexicon.systemName(url);
  // The lexicon's codes stem from several releases, and it does not say which: no version is right for them.
  if (name === undefined || version !== undefined) return undefined;
  return {
    name,
    version: undefined,
    partial: true,
    resource: undefined,
    async find(code) {
      const display = await lexicon.displayOf(url, code);
      if (display === undefined) return undefined;
      return { code, display, definition: undefined, designations: [], properties: [], parents: [] };
    },
  };
}

function ofResource(resource: Resource): KnownSystem {
  return {
    name: String(resource.name ?? resource.title ?? resource.url),
    version: typeof resource.version === 'string' ? resource.version : undefined,
    partial: PARTIAL.has(String(resource.content)),
    resource,
    find: async (code) => findConcept(resource, code),
  };
}

/** @throws Fault `not-found` that says whether the system may have the code all the same. */
export async function conceptIn(system: KnownSystem, code: string, at: string): Promise<Concept> {
  const concept = await system.find(code);
  if (concept) return concept;
  if (!system.partial) throw new Fault('not-found', 'The code system has no such code.', { at });
  throw new Fault('not-found', ONLY_A_PART, { at, remedy: LOAD });
}

export const ONLY_A_PART = 'The code is not in the part of the code system that is here.';
export const LOAD =
  'Read an official release with: cenote terminology load; or store the CodeSystem with its concepts.';

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

/** The verdict on a code that exists, and on the display given with it. */
export function judged(
  system: KnownSystem | undefined,
  concept: Concept | undefined,
  display: string | undefined,
): Resource {
  const names = concept
    ? [concept.display, ...concept.designations.map((d) => d.value)].filter((n) => n !== undefined)
    : [];
  const right =
    display === undefined ||
    names.length === 0 ||
    names.some((n) => n.toLowerCase() === display.toLowerCase());
  if (right) return verdict(true, undefined, concept?.display);
  // Of the lexicon's codes one name of several is here: another may be as right.
  return system?.resource
    ? verdict(false, 'The display is not one of the code.', concept?.display)
    : verdict(
        true,
        'The display is not the name that is here; further names of the code are not.',
        concept?.display,
      );
}
