import { Fault, invalid, isFault } from '../core/fault.js';
import { isFhirId } from '../core/ids.js';
import type { Resource } from '../core/resource.js';
import { isResourceType } from '../fhir/resource-types.js';
import { type ValidationLevel, validateResource } from '../fhir/validate.js';
import { type Criteria, parseCriteria } from './bundle-criteria.js';
import { withoutAnnotationStatus } from './bundle-document.js';

export type EntryMethod = 'DELETE' | 'POST' | 'PUT' | 'PATCH' | 'GET' | 'HEAD';

/** The order of a transaction (R4 http.html#trules). Batches keep the order of their entries. */
export const METHOD_ORDER: readonly EntryMethod[] = ['DELETE', 'POST', 'PUT', 'PATCH', 'GET', 'HEAD'];

/** One entry of a batch or transaction, understood. */
export interface Entry {
  readonly index: number;
  /** `Bundle.entry[3]` */
  readonly at: string;
  readonly method: EntryMethod;
  /** Relative to the base, without leading slash. */
  readonly url: string;
  readonly type: string | undefined;
  readonly id: string | undefined;
  /** PUT, PATCH and DELETE by search. */
  readonly criteria: Criteria | undefined;
  readonly ifNoneExist: Criteria | undefined;
  /** A version that must be current; 0: nothing may be there. */
  readonly ifMatch: number | undefined;
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: string | undefined;
  readonly fullUrl: string | undefined;
  /** POST and PUT: the checked resource. PATCH: the patch document (Binary or Parameters). */
  readonly resource: Resource | undefined;
}

/** How an entry's resource is checked; the levels of validation are chosen by the caller. */
export type Check = (value: unknown, type: string | undefined, where?: CheckedIn) => Resource;

/** Inside a bundle a reference may still be a search (`Practitioner?identifier=…`). */
export type CheckedIn = 'bundle';

/** A check of a level (R4's codes and invariants with `strict`, the form alone with `structure`). */
export function checkAt(level: ValidationLevel): Check {
  return (value, type, where) =>
    withoutAnnotationStatus(
      validateResource(value, level, { type, conditionalReferences: where === 'bundle' }),
    );
}

/** What is asked for unless something else is said: R4 as it stands. It costs 20 µs a resource more than the form alone. */
export const basicCheck: Check = checkAt('strict');

/** Entries one HTTP bundle holds at most. */
export const MAX_HTTP_ENTRIES = 20_000;

export function entriesOf(bundle: Resource, max: number): readonly unknown[] {
  const entries = bundle.entry;
  if (entries === undefined) return [];
  if (!Array.isArray(entries))
    throw invalid('entry is not a list.', 'Bundle.entry', 'Send a JSON array of entries.');
  if (entries.length > max) {
    throw new Fault('too-large', `A bundle holds at most ${max} entries here.`, {
      at: 'Bundle.entry',
      remedy: 'Split it, or use the import.',
      issueCode: 'too-long',
    });
  }
  return entries;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Reads one entry with its request.
 * @throws Fault naming the element within the Bundle.
 */
export function parseEntry(value: unknown, index: number, base: string, check: Check): Entry {
  const at = `Bundle.entry[${index}]`;
  if (!isObject(value)) throw invalid('The entry is not an object.', at);
  const request = value.request;
  if (!isObject(request)) {
    throw invalid(
      'The entry has no request.',
      `${at}.request`,
      'Give every entry of a batch or transaction a request.',
    );
  }
  const method = request.method;
  if (typeof method !== 'string' || !METHOD_ORDER.includes(method as EntryMethod)) {
    throw invalid('The method is not one of GET, HEAD, POST, PUT, PATCH, DELETE.', `${at}.request.method`);
  }
  const fullUrl = optionalText(value.fullUrl, `${at}.fullUrl`);
  const target = parseUrl(request.url, method as EntryMethod, base, `${at}.request.url`);
  const ifNoneExist = optionalText(request.ifNoneExist, `${at}.request.ifNoneExist`);
  const ifMatch = optionalText(request.ifMatch, `${at}.request.ifMatch`);
  const ifNoneMatch = optionalText(request.ifNoneMatch, `${at}.request.ifNoneMatch`);
  if (method === 'PUT' && ifNoneMatch !== undefined && ifNoneMatch !== '*') {
    throw invalid('ifNoneMatch of an update can only be *.', `${at}.request.ifNoneMatch`);
  }
  const entry: Entry = {
    index,
    at,
    method: method as EntryMethod,
    ...target,
    ifNoneExist:
      method === 'POST' && ifNoneExist !== undefined && target.type !== undefined
        ? parseCriteria(target.type, criteriaText(ifNoneExist), `${at}.request.ifNoneExist`)
        : undefined,
    ifMatch:
      method === 'PUT' && ifNoneMatch === '*' ? 0 : parseEntryVersion(ifMatch, `${at}.request.ifMatch`),
    ifNoneMatch,
    ifModifiedSince: optionalText(request.ifModifiedSince, `${at}.request.ifModifiedSince`),
    fullUrl,
    resource: undefined,
  };
  return { ...entry, resource: entryResource(value.resource, entry, check) };
}

/** `ifNoneExist` is the query alone; some clients write `Type?query` all the same. */
function criteriaText(text: string): string {
  const mark = text.indexOf('?');
  return mark > 0 && !text.slice(0, mark).includes('=') ? text.slice(mark + 1) : text;
}

function entryResource(value: unknown, entry: Entry, check: Check): Resource | undefined {
  const at = `${entry.at}.resource`;
  if (entry.method === 'DELETE' || entry.method === 'GET' || entry.method === 'HEAD') return undefined;
  if (value === undefined) throw invalid(`A ${entry.method} entry needs a resource.`, at);
  if (entry.method === 'PATCH') {
    if (!isObject(value) || (value.resourceType !== 'Binary' && value.resourceType !== 'Parameters')) {
      throw invalid(
        'A PATCH entry needs a Binary with a JSON Patch, or Parameters with a FHIRPath Patch.',
        at,
      );
    }
    return value as Resource;
  }
  // An operation's input is its own to check.
  if (entry.url.includes('$')) return value as Resource;
  const resource = within(at, () => check(value, entry.type, 'bundle'));
  if (entry.method === 'PUT' && entry.id !== undefined && resource.id !== entry.id) {
    throw invalid('The id of the resource is not the one in request.url.', `${at}.id`, 'Make both the same.');
  }
  return resource;
}

/** Runs a check whose faults name places within a resource, and has them name the place within the bundle. */
export function within<T>(at: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw isFault(error) ? moved(error, at) : error;
  }
}

/** `Patient.birthDate` under `Bundle.entry[3].resource` is `Bundle.entry[3].resource.birthDate`. */
export function moved(fault: Fault, at: string): Fault {
  const inner = fault.at ? fault.at.replace(/^[A-Z]\w*(?=[.[]|$)/, '') : '';
  return new Fault(fault.category, fault.message, {
    at: `${at}${inner === '' || inner.startsWith('.') || inner.startsWith('[') ? inner : `.${inner}`}`,
    remedy: fault.remedy,
    log: fault.log,
    issueCode: fault.issueCode,
    cause: fault.cause,
    also: fault.also.map((other) => moved(other, at)),
  });
}

function optionalText(value: unknown, at: string): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value === '')
    throw invalid('The value is not a text.', at, 'Leave it out or fill it.');
  return value;
}

function parseEntryVersion(text: string | undefined, at: string): number | undefined {
  if (text === undefined) return undefined;
  const found = /^(?:W\/)?"([1-9]\d{0,8})"$/.exec(text.trim());
  if (!found)
    throw invalid('ifMatch is not one entity tag.', at, 'Send W/"3" with the version id last seen.');
  return Number(found[1]);
}

interface Target {
  readonly url: string;
  readonly type: string | undefined;
  readonly id: string | undefined;
  readonly criteria: Criteria | undefined;
}

/** The address of an entry: relative, or absolute under our own base and nothing else. */
function parseUrl(value: unknown, method: EntryMethod, base: string, at: string): Target {
  if (typeof value !== 'string' || value.length > MAX_URL_CHARS)
    throw invalid('request.url is missing or too long.', at);
  let url = value.startsWith(`${base}/`) ? value.slice(base.length + 1) : value;
  if (/^[a-z][a-z0-9+.-]*:/i.test(url)) {
    throw invalid('request.url points at another server.', at, 'Use an address relative to this base.');
  }
  url = url.replace(/^\/+/, '');
  if (method === 'GET' || method === 'HEAD' || (method === 'POST' && url.includes('$'))) {
    const [type, id] = url.split(/[/?]/);
    return { url, type: isResourceType(type ?? '') ? type : undefined, id, criteria: undefined };
  }
  const mark = url.indexOf('?');
  const [type = '', id, ...more] = (mark < 0 ? url : url.slice(0, mark)).replace(/\/$/, '').split('/');
  if (!isResourceType(type)) {
    throw invalid(
      'request.url names no resource type.',
      at,
      'Resource types are case-sensitive: Patient, Observation …',
    );
  }
  if (more.length > 0) throw invalid('request.url has too many parts for this method.', at);
  if (id !== undefined && !isFhirId(id)) throw invalid('request.url has an id that is none.', at);
  if (method === 'POST') {
    if (id !== undefined || mark >= 0) {
      throw invalid(
        'request.url of a POST is the resource type alone.',
        at,
        'Use PUT to choose the id, ifNoneExist for conditions.',
      );
    }
    return { url, type, id: undefined, criteria: undefined };
  }
  if (id !== undefined) return { url, type, id, criteria: undefined };
  if (mark < 0) throw invalid(`request.url of a ${method} needs an id or search criteria.`, at);
  return { url, type, id: undefined, criteria: parseCriteria(type, url.slice(mark + 1), at) };
}

const MAX_URL_CHARS = 8_000;
