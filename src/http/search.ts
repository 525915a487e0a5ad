import { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { compartmentParameters } from '../fhir/compartment.js';
import { operationOutcome } from '../fhir/outcome.js';
import { isResourceType } from '../fhir/resource-types.js';
import type { Page, SearchRequest } from '../search/request.js';
import type { Tenant } from '../tenancy/tenant.js';
import { type FhirRequest, type Handler, segment } from './exchange.js';
import { type Pair, responseType } from './negotiate.js';
import type { Decorate } from './read.js';
import { requireSearchable } from './search-access.js';

export type Search = (tenant: Tenant, request: SearchRequest) => Promise<Page>;

/** Parameters that are about the answer's form and never reach the search. */
const FORM = new Set(['_format', '_pretty']);

/** R4 http.html#search: by GET, and by POST to `_search` with the parameters in the body as well as in the address. */
export function searchHandler(search: Search, decorate: Decorate): Handler {
  return async (request) => {
    const params = await searchParams(request);
    const type = request.at.type;
    const found = await answer(search, decorate, request, params, { type, path: type ?? '' });
    return { ...found, ...(await formatOfForm(request)) };
  };
}

/**
 * The compartments of R4 besides that of a patient (compartmentdefinition.html): `Encounter/{id}/{type}`. A resource is
 * in one when any of the parameters that the definition names for its type points at it.
 */
export function otherCompartmentHandler(search: Search, decorate: Decorate): Handler {
  return async (request) => {
    const [compartment, id, type] = [
      segment(request, 'type'),
      segment(request, 'id'),
      request.at.member ?? '*',
    ];
    const codes = compartmentParameters(compartment, type);
    if (codes.length === 0) {
      throw new Fault('not-found', 'No resource of that type is in this compartment.', {
        remedy: `See the compartment definition of ${compartment}.`,
      });
    }
    if (!request.access.allows(type, 's')) {
      throw new Fault('forbidden', 'The token does not permit a search of this type.', {
        remedy: `Ask for a scope that searches ${type}.`,
      });
    }
    const member = codes.map((code) => `${code} eq "${compartment}/${id}"`).join(' or ');
    return answer(search, decorate, request, await searchParams(request), {
      type,
      path: `${compartment}/${id}/${type}`,
      besides: [['_filter', member]],
    });
  };
}

/** R4 compartmentdefinition.html: `Patient/{id}/{type}`, and `Patient/{id}/*` for all types. */
export function compartmentHandler(search: Search, decorate: Decorate): Handler {
  return async (request) => {
    const params = await searchParams(request);
    const id = segment(request, 'id');
    const type = request.at.member === '*' ? undefined : request.at.member;
    if (type !== undefined && !request.access.allows(type, 's')) {
      throw new Fault('forbidden', 'The token does not permit a search of this type.', {
        remedy: `Ask for a scope that searches ${type}.`,
      });
    }
    const path = `Patient/${id}/${type ?? '*'}`;
    return answer(search, decorate, request, params, { type, path, compartment: { type: 'Patient', id } });
  };
}

export async function searchParams(request: FhirRequest): Promise<Pair[]> {
  const own = request.params.filter(([name]) => !FORM.has(name));
  if (request.method !== 'POST') return own;
  const { text } = await request.body(['form']);
  return [...own, ...[...new URLSearchParams(text)].filter(([name]) => !FORM.has(name))];
}

/** `_format` in the form of a POST counts as it does in an address. @throws HttpFault 406 */
async function formatOfForm(request: FhirRequest): Promise<{ contentType?: string }> {
  if (request.method !== 'POST') return {};
  const { text } = await request.body(['form']);
  const format = [...new URLSearchParams(text)].filter(([name]) => name === '_format');
  return format.length === 0 ? {} : { contentType: responseType({}, format) };
}

interface Where {
  readonly type: string | undefined;
  readonly path: string;
  readonly compartment?: SearchRequest['compartment'];
  /** What the address itself says, besides the caller's parameters. */
  readonly besides?: readonly Pair[];
}

async function answer(
  search: Search,
  decorate: Decorate,
  request: FhirRequest,
  params: readonly Pair[],
  { type, path, compartment, besides = [] }: Where,
): Promise<{ status: number; resource: Resource }> {
  if (type === undefined) requireTypes(request, params);
  requireSearchable(request.access, type, params);
  const page = await search(request.tenant, {
    type,
    // A page link holds all of the search already.
    params: params.some(([name]) => name === '_cursor') ? params : [...params, ...besides],
    strict: request.prefer.handling === 'strict',
    base: request.base,
    compartment,
    caller: request.actor.id,
  });
  return { status: 200, resource: await searchset(page, request, path, decorate) };
}

/** A search over several types needs the right to search each; over all of them, to search everything. */
function requireTypes(request: FhirRequest, params: readonly Pair[]): void {
  if (request.access.allowsEachType('s')) return;
  // A page link is sealed for this caller, who was asked when it was made; what it brings is looked at again below.
  if (params.some(([name]) => name === '_cursor')) return;
  const named = params.filter(([name]) => name === '_type').flatMap(([, value]) => value.split(','));
  if (named.length > 0 && named.every((type) => isResourceType(type) && request.access.allows(type, 's')))
    return;
  throw new Fault('forbidden', 'The token does not permit a search over these types.', {
    at: '_type',
    remedy: 'Name in _type only types that the token may search.',
  });
}

/** The Bundle of a page. Resources of types that the token may not search, or read when they come along, are left out. */
export async function searchset(
  page: Page,
  request: FhirRequest,
  path: string,
  decorate: Decorate,
): Promise<Resource> {
  const { base, access } = request;
  const entries = page.entries.filter(({ mode, resource }) =>
    access.allows(resource.resourceType, mode === 'include' ? 'r' : 's'),
  );
  const resources = await decorate(
    request.tenant,
    entries.map(({ resource }) => resource),
  );
  const here = path === '' ? base : `${base}/${path}`;
  const link = [{ relation: 'self', url: page.self === '' ? here : `${here}?${page.self}` }];
  if (page.next !== undefined) link.push({ relation: 'next', url: `${here}?${page.next}` });
  const entry: Record<string, unknown>[] = entries.map(({ mode }, i) => {
    const resource = resources[i]!;
    const { id, resourceType } = resource;
    return {
      ...(id === undefined ? {} : { fullUrl: `${base}/${resourceType}/${id}` }),
      resource,
      search: { mode },
    };
  });
  const [warning, ...also] = page.warnings;
  if (warning) entry.push({ resource: asWarning(warning, also), search: { mode: 'outcome' } });
  return {
    resourceType: 'Bundle',
    type: 'searchset',
    ...(page.total === undefined ? {} : { total: page.total }),
    link,
    ...(entry.length > 0 ? { entry } : {}),
  };
}

/** What was ignored is told as warnings: the search itself succeeded (R4 search.html#errors). */
export function asWarning(first: Fault, others: readonly Fault[]): Resource {
  const outcome = operationOutcome(
    new Fault(first.category, first.message, {
      at: first.at,
      remedy: first.remedy,
      issueCode: first.issueCode,
      also: [...first.also, ...others],
    }),
  );
  const issues = outcome.issue as { severity: string }[];
  return { ...outcome, issue: issues.map((issue) => ({ ...issue, severity: 'warning' })) };
}
