import { Fault, invalid } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { clinicalTime } from '../fhir/clinical-time.js';
import { compartmentParameters, patientsOf } from '../fhir/compartment.js';
import { isResourceType, RESOURCE_TYPES } from '../fhir/resource-types.js';
import { type CursorScope, openCursor, sealCursor } from '../search/cursor.js';
import type { Page, PageEntry } from '../search/request.js';
import type { Store } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';
import { changedSince, referredTo } from './everything-along.js';
import { encounterPage, inEncounter } from './everything-encounter.js';
import { type FhirRequest, type Handler, segment } from './exchange.js';
import type { Pair } from './negotiate.js';
import { operationParams } from './operation-input.js';
import type { Decorate } from './read.js';
import type { Route } from './router.js';
import type { Search } from './search.js';

/** R4 patient-operation-everything.html, encounter-operation-everything.html, group-operation-everything.html. */
export interface EverythingDeps {
  readonly store: Store;
  readonly search: Search;
  readonly decorate: Decorate;
  readonly parseInstant: (text: string) => { lo: number; hi: number };
}

const DEFAULT_COUNT = 100;
const MAX_COUNT = 1_000;

interface Wanted {
  /** Types to give, undefined for all. */
  readonly types: readonly string[] | undefined;
  readonly since: string | undefined;
  /** The same, ms. */
  readonly sinceMs: number | undefined;
  /** Clinical dates, ms; resources without one are given all the same, as the specification says. */
  readonly start: number | undefined;
  readonly end: number | undefined;
  readonly count: number;
  /** The parameters that count, for links. */
  readonly used: readonly Pair[];
}

export function everythingRoutes(deps: EverythingDeps): Route[] {
  const claim = (type: string) =>
    ({
      kind: 'operation',
      name: 'everything',
      definition: `http://hl7.org/fhir/OperationDefinition/${type}-everything`,
      type,
    }) as const;
  const routes: Route[] = [];
  for (const [type, handle] of [
    ['Patient', patientEverything(deps)],
    ['Group', groupEverything(deps)],
    ['Encounter', encounterEverything(deps)],
  ] as const) {
    for (const method of ['GET', 'POST'] as const) {
      routes.push({ method, path: `${type}/:id/$everything`, claim: claim(type), needs: 'r', handle });
    }
  }
  for (const method of ['GET', 'POST'] as const) {
    const handle = everyoneEverything(deps);
    routes.push({ method, path: 'Patient/$everything', claim: claim('Patient'), needs: 's', handle });
  }
  return routes;
}

/** Every patient's record, one after the other: a page holds resources of one, as with a Group. */
function everyoneEverything(deps: EverythingDeps): Handler {
  return async (request) => {
    const { tenant, base, actor } = request;
    const scope = { kind: 'everything', type: 'Patient', compartment: undefined, caller: actor.id };
    const { params, position } = await resumed(request, scope);
    const wanted = read(params, request, deps);
    let [patient = '', inner = '', link = ''] = position;
    if (patient === '' && (position.length === 0 || link !== '')) {
      const next: Pair[] = link === '' ? [['_count', '1']] : [...new URLSearchParams(link)];
      const found = await deps.search(tenant, {
        type: 'Patient',
        params: next,
        strict: false,
        base,
        caller: actor.id,
      });
      patient = found.entries.find(({ mode }) => mode === 'match')?.resource.id ?? '';
      link = found.next ?? '';
    }
    const page =
      patient === ''
        ? EMPTY
        : await compartmentPage(deps, request, patient, wanted, inner === '' ? undefined : inner);
    const following =
      page.next !== undefined ? [patient, page.next, link] : link === '' ? undefined : ['', '', link];
    const next = following && sealCursor(tenant.keys, scope, at(wanted, following));
    return { status: 200, resource: await bundle(deps, request, 'Patient/$everything', wanted, page, next) };
  };
}

function patientEverything(deps: EverythingDeps): Handler {
  return async (request) => {
    const patient = segment(request, 'id');
    await require(deps.store, request.tenant, 'Patient', patient);
    const scope = { kind: 'everything', type: 'Patient', compartment: patient, caller: request.actor.id };
    const { params, position } = await resumed(request, scope);
    const wanted = read(params, request, deps);
    const page = await compartmentPage(deps, request, patient, wanted, position[0]);
    const next =
      page.next === undefined ? undefined : sealCursor(request.tenant.keys, scope, at(wanted, [page.next]));
    return {
      status: 200,
      resource: await bundle(deps, request, `Patient/${patient}/$everything`, wanted, page, next),
    };
  };
}

/** The members of a Group, patient by patient: a page holds resources of one. */
function groupEverything(deps: EverythingDeps): Handler {
  return async (request) => {
    const id = segment(request, 'id');
    const group = await require(deps.store, request.tenant, 'Group', id);
    const patients = membersOf(group);
    const scope = { kind: 'everything', type: 'Group', compartment: id, caller: request.actor.id };
    const { params, position } = await resumed(request, scope);
    const wanted = read(params, request, deps);
    const [turn = '', inner] = position;
    // A member added or removed meanwhile must not shift the others: the link names the patient, not its place, and
    // where that one is gone the next in order follows.
    const index = position.length === 0 ? 0 : patients.findIndex((member) => member >= turn);
    const patient = patients[index];
    const within = inner === '' || patient !== turn ? undefined : inner;
    const page =
      patient === undefined ? EMPTY : await compartmentPage(deps, request, patient, wanted, within);
    const following = page.next === undefined ? patients[index + 1] : patient;
    const next =
      following === undefined
        ? undefined
        : sealCursor(request.tenant.keys, scope, at(wanted, [following, page.next ?? '']));
    return {
      status: 200,
      resource: await bundle(deps, request, `Group/${id}/$everything`, wanted, page, next),
    };
  };
}

/** The encounter, what belongs to it, and what that refers to. */
function encounterEverything(deps: EverythingDeps): Handler {
  return async (request) => {
    const id = segment(request, 'id');
    const encounter = await require(deps.store, request.tenant, 'Encounter', id);
    const scope = { kind: 'everything', type: 'Encounter', compartment: id, caller: request.actor.id };
    const { params, position } = await resumed(request, scope);
    const wanted = read(params, request, deps);
    const { types, count } = wanted;
    const page = await encounterPage(
      deps.search,
      request.tenant,
      id,
      { types: searched(types, 'Encounter') ? types : undefined, count, besides: sinceOf(wanted) },
      position,
      { base: request.base, caller: request.actor.id },
    );
    const next = page.next && sealCursor(request.tenant.keys, scope, at(wanted, page.next));
    const own = patientsOf(encounter, request.base);
    // What is in the compartment comes as a match of its own page, not along as well.
    const matched = (resource: Resource) => inEncounter(resource, id, request.base);
    const entries = await withReferredTo(deps, request, page.entries);
    return {
      status: 200,
      resource: await bundle(deps, request, `Encounter/${id}/$everything`, wanted, { entries }, next, {
        own,
        matched,
      }),
    };
  };
}

const EMPTY: Pick<Page, 'entries' | 'next'> = { entries: [], next: undefined };

async function require(store: Store, tenant: Tenant, type: string, id: string): Promise<Resource> {
  const found = await store.read(tenant, type, id);
  if (!found) throw new Fault('not-found', 'No such resource is known here.', { remedy: 'Check the id.' });
  if (!found.resource) throw new Fault('gone', 'The resource was deleted.');
  return found.resource;
}

function membersOf(group: Resource): string[] {
  const members = Array.isArray(group.member) ? group.member : [];
  const ids = members.flatMap((member: { inactive?: unknown; entity?: { reference?: unknown } }) => {
    const found =
      member.inactive === true ? null : /^Patient\/([^/]+)$/.exec(String(member.entity?.reference ?? ''));
    return found ? [found[1]!] : [];
  });
  return [...new Set(ids)].sort();
}

interface Resumed {
  readonly params: readonly Pair[];
  readonly position: readonly string[];
}

async function resumed(request: FhirRequest, scope: CursorScope): Promise<Resumed> {
  const params = await operationParams(request);
  const link = params.find(([name]) => name === '_cursor')?.[1];
  if (link === undefined) return { params, position: [] };
  const cursor = openCursor(request.tenant.keys, scope, link);
  return { params: cursor.params, position: cursor.position.keys.map(String) };
}

function at({ used }: Wanted, keys: readonly string[]) {
  return { params: used, position: { phase: 0, keys } };
}

function read(params: readonly Pair[], { access }: FhirRequest, { parseInstant }: EverythingDeps): Wanted {
  const used = params.filter(([name, value]) => PARAMS.has(name) && value !== '');
  const one = (name: string) => used.find(([key]) => key === name)?.[1];
  const named = used
    .filter(([name]) => name === '_type')
    .flatMap(([, value]) => value.split(','))
    .filter((t) => t !== '');
  if (named.some((type) => !isResourceType(type))) {
    throw invalid('No FHIR R4 resource type.', '_type', 'Name types such as Condition,Observation.');
  }
  const count = one('_count');
  if (count !== undefined && !/^[1-9]\d{0,8}$/.test(count)) {
    throw invalid('_count is not a positive whole number.', '_count', `Send 1 to ${MAX_COUNT}.`);
  }
  const since = one('_since');
  const start = one('start');
  const end = one('end');
  const allowed = named.length > 0 ? named : access.allowsAll('r') ? undefined : RESOURCE_TYPES;
  return {
    types: allowed?.filter((type) => access.allows(type, 'r')),
    since,
    sinceMs: since === undefined ? undefined : parseInstant(since).lo,
    start: start === undefined ? undefined : parseInstant(start).lo,
    end: end === undefined ? undefined : parseInstant(end).hi,
    count: Math.min(count === undefined ? DEFAULT_COUNT : Number(count), MAX_COUNT),
    used,
  };
}

const PARAMS = new Set(['_type', '_since', '_count', 'start', 'end']);

function sinceOf({ since }: Wanted): Pair[] {
  return since === undefined ? [] : [['_lastUpdated', `ge${since}`]];
}

/** Searches made to fill one page where clinical dates leave out most of what they find. */
const MAX_ROUNDS = 100;

/**
 * A page of a patient's compartment. What the record refers to outside of it comes along with the last page, each
 * once: a practitioner who is named on every page would come with every one.
 */
async function compartmentPage(
  deps: EverythingDeps,
  request: FhirRequest,
  patient: string,
  wanted: Wanted,
  cursor: string | undefined,
): Promise<Pick<Page, 'entries' | 'next'>> {
  const { count } = wanted;
  const dated = wanted.start !== undefined || wanted.end !== undefined;
  // Dates are looked at in what is found: it is searched for in portions, so that a page is nearly full all the same.
  const portion = dated ? Math.ceil(count / 4) : count;
  const found: PageEntry[] = [];
  let matches = 0;
  let next = cursor;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const page = await compartmentSearch(deps, request, patient, wanted, next, portion);
    const entries = inPeriod(page.entries, wanted);
    found.push(...entries);
    matches += entries.filter(({ mode }) => mode === 'match').length;
    next = page.next;
    if (next === undefined || matches + portion > count) break;
  }
  if (next !== undefined) return { entries: found.filter(({ mode }) => mode === 'match'), next };
  if (cursor === undefined) return { entries: await withReferredTo(deps, request, found), next };
  const along = new Map<string, PageEntry>();
  let link: string | undefined;
  do {
    const page = await compartmentSearch(deps, request, patient, wanted, link, MAX_COUNT);
    for (const entry of await withReferredTo(deps, request, inPeriod(page.entries, wanted)))
      if (entry.mode === 'include') along.set(`${entry.resource.resourceType}/${entry.resource.id}`, entry);
    link = page.next;
  } while (link !== undefined);
  return { entries: [...found.filter(({ mode }) => mode === 'match'), ...along.values()], next };
}

/** The matches of a period, and what came along. */
function inPeriod(entries: readonly PageEntry[], wanted: Wanted): PageEntry[] {
  return entries.filter(({ resource, mode }) => mode === 'include' || isOfPeriod(resource, wanted));
}

async function withReferredTo(
  { store }: EverythingDeps,
  { tenant, base }: FhirRequest,
  entries: readonly PageEntry[],
): Promise<PageEntry[]> {
  return [...entries, ...(await referredTo(store, tenant, base, entries))];
}

async function compartmentSearch(
  deps: EverythingDeps,
  request: FhirRequest,
  patient: string,
  wanted: Wanted,
  cursor: string | undefined,
  count: number,
): Promise<Pick<Page, 'entries' | 'next'>> {
  const { types } = wanted;
  if (types?.length === 0) return EMPTY;
  const params: Pair[] =
    cursor === undefined
      ? [
          ['_count', String(count)],
          // What the record refers to outside of the compartment: practitioners, organisations, medications.
          ['_include', '*'],
          ...sinceOf(wanted),
          ...(searched(types, 'Patient') ? [['_type', types!.join(',')] as Pair] : []),
        ]
      : [...new URLSearchParams(cursor)];
  return deps.search(request.tenant, {
    params,
    strict: false,
    base: request.base,
    compartment: { type: 'Patient', id: patient },
    caller: request.actor.id,
  });
}

/** Types outside of every compartment only come along with others, so naming one rules out a search by type. */
function searched(types: readonly string[] | undefined, compartment: string): boolean {
  return (
    types?.every((type) => type === compartment || compartmentParameters(compartment, type).length > 0) ??
    false
  );
}

/** What may come along: of `own` patients, and nothing that is a match of another page. */
interface Along {
  readonly own: readonly string[];
  readonly matched?: (resource: Resource) => boolean;
}

async function bundle(
  deps: EverythingDeps,
  request: FhirRequest,
  path: string,
  wanted: Wanted,
  { entries }: Pick<Page, 'entries'>,
  next: string | undefined,
  along: Along = { own: [] },
): Promise<Resource> {
  const { base } = request;
  const given = entries.filter((entry) => isWanted(entry, request, wanted, along));
  const resources = await deps.decorate(
    request.tenant,
    given.map(({ resource }) => resource),
  );
  const self = new URLSearchParams(wanted.used.map(([n, v]): [string, string] => [n, v]));
  const link = [{ relation: 'self', url: self.size === 0 ? `${base}/${path}` : `${base}/${path}?${self}` }];
  if (next !== undefined) link.push({ relation: 'next', url: `${base}/${path}?_cursor=${next}` });
  return {
    resourceType: 'Bundle',
    type: 'searchset',
    link,
    ...(resources.length > 0
      ? {
          entry: resources.map((resource, i) => ({
            fullUrl: `${base}/${resource.resourceType}/${resource.id}`,
            resource,
            search: { mode: given[i]!.mode },
          })),
        }
      : {}),
  };
}

/**
 * Whether an entry of the page is given. What comes along must be in nobody's compartment but that of `own` patients:
 * a Group or a List leads to other patients. Of a patient's own page the compartment comes as matches, not along.
 */
function isWanted(
  { resource, mode }: PageEntry,
  { access, base }: FhirRequest,
  wanted: Wanted,
  { own, matched }: Along,
): boolean {
  const { types, sinceMs } = wanted;
  if (mode === 'include' && !patientsOf(resource, base).every((id) => own.includes(id))) return false;
  if (mode === 'include' && (matched?.(resource) || !changedSince(resource, sinceMs))) return false;
  if (types ? !types.includes(resource.resourceType) : !access.allows(resource.resourceType, 'r'))
    return false;
  return isOfPeriod(resource, wanted);
}

function isOfPeriod(resource: Resource, { start, end }: Wanted): boolean {
  if (start === undefined && end === undefined) return true;
  const when = clinicalTime(resource);
  return (
    when === undefined || ((start === undefined || when.hi >= start) && (end === undefined || when.lo <= end))
  );
}
