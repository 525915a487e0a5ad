import { Fault, invalid } from '../core/fault.js';
import { isFhirId } from '../core/ids.js';
import { digitsOf, parseJson } from '../core/json.js';
import type { Resource } from '../core/resource.js';
import { findView, type ViewFinder } from '../export/view-source.js';
import type { ViewFormat } from '../export/view-table.js';
import { parsePartialDate } from '../fhir/dates.js';
import { parseReference } from '../fhir/references.js';
import { compileView, type View } from '../fhir/views/view.js';
import { isObject } from '../tasks/bundle-entry.js';
import type { FhirRequest } from './exchange.js';
import { parametersBody } from './operation-input.js';

/** Patients, groups and resources that one request names. */
const MAX_PATIENTS = 1_000;
const MAX_GROUPS = 10;
const MAX_RESOURCES = 1_000;
const MAX_LIMIT = 1_000_000_000;

export type Given = Readonly<Record<string, unknown>> & { readonly name: string };

/** The parameters of a request: of its address as texts, and of the Parameters in its body. */
export async function givenParameters(request: FhirRequest): Promise<Given[]> {
  const given: Given[] = request.params.map(([name, valueString]) => ({ name, valueString }));
  const hasBody = request.method === 'POST' && request.headers['content-length'] !== '0';
  if (!hasBody) return given;
  return [...given, ...((await parametersBody(request)) as Given[])];
}

/** @throws Fault `invalid` for a parameter that is not among those known. */
export function requireKnown(given: readonly Given[], known: ReadonlySet<string>): void {
  for (const { name } of given) {
    if (!known.has(name)) {
      throw invalid(
        'The operation knows no such parameter.',
        name.slice(0, 64),
        `Use ${[...known].filter((n) => n !== '_pretty').join(', ')}.`,
      );
    }
  }
}

/** The text of a parameter's value, whatever primitive or Reference it came as. */
export function textOf(given: Given | undefined): string | undefined {
  if (!given) return undefined;
  const key = Object.keys(given).find((name) => name.startsWith('value'));
  const value = key === undefined ? undefined : given[key];
  if (isObject(value)) return typeof value.reference === 'string' ? value.reference : undefined;
  if (typeof value === 'boolean') return String(value);
  return typeof value === 'string' ? value : digitsOf(value);
}

export function textsOf(given: readonly Given[], name: string): string[] {
  return given
    .filter((p) => p.name === name)
    .map((p) => {
      const text = textOf(p);
      if (text === undefined || text === '')
        throw invalid('The parameter has no value that can be used.', name);
      return text;
    });
}

export function oneText(given: readonly Given[], name: string): string | undefined {
  const texts = textsOf(given, name);
  if (texts.length > 1) throw invalid('The parameter stands here more than once.', name);
  return texts[0];
}

const FORMATS: Readonly<Record<string, ViewFormat>> = {
  json: 'json',
  'application/json': 'json',
  'application/fhir+json': 'json',
  ndjson: 'ndjson',
  'application/ndjson': 'ndjson',
  'application/x-ndjson': 'ndjson',
  'application/fhir+ndjson': 'ndjson',
  csv: 'csv',
  'text/csv': 'csv',
  parquet: 'parquet',
  'application/vnd.apache.parquet': 'parquet',
  'application/parquet': 'parquet',
};

/** `_format`, else the first that Accept names, else NDJSON. @throws Fault `unsupported` */
export function formatOf(given: readonly Given[], accept: string | undefined): ViewFormat {
  const asked = oneText(given, '_format');
  if (asked === undefined) {
    for (const range of (accept ?? '').slice(0, 1000).split(',')) {
      const type = range.split(';', 1)[0]!.trim().toLowerCase();
      // What FHIR clients send with everything says nothing of tables.
      if (type !== 'application/fhir+json' && Object.hasOwn(FORMATS, type)) return FORMATS[type]!;
    }
    return 'ndjson';
  }
  // The plus of a media type may have been read as a space.
  const key = asked.trim().toLowerCase().replace(' ', '+').split(';', 1)[0]!;
  if (Object.hasOwn(FORMATS, key)) return FORMATS[key]!;
  throw new Fault('unsupported', 'Views are not given in this format.', {
    at: '_format',
    remedy: 'Use json, ndjson, csv or parquet.',
  });
}

export function sinceOf(given: readonly Given[]): number | undefined {
  const text = oneText(given, '_since');
  if (text === undefined) return undefined;
  const parsed = parsePartialDate(text.replace(' ', '+'));
  if (!parsed || !text.includes('T'))
    throw invalid('Not an instant.', '_since', 'Send one such as 2024-05-01T10:00:00Z.');
  return parsed.lo;
}

export function limitOf(given: readonly Given[]): number | undefined {
  const text = oneText(given, '_limit');
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,9}$/.test(text) || Number(text) > MAX_LIMIT)
    throw invalid('_limit is not a positive whole number.', '_limit');
  return Number(text);
}

export function booleanOf(given: readonly Given[], name: string): boolean | undefined {
  const text = oneText(given, name);
  if (text === undefined || text === 'true' || text === 'false')
    return text === undefined ? undefined : text === 'true';
  throw invalid('The parameter is true or false.', name);
}

/** Ids of resources of one type that a parameter refers to. */
export function idsOf(
  given: readonly Given[],
  name: string,
  type: string,
  base: string,
  max: number,
): string[] {
  const ids = textsOf(given, name)
    .flatMap((text) => text.split(','))
    .map((text) => {
      const reference = parseReference(text.trim(), base);
      const id = reference.kind === 'local' && reference.type === type ? reference.id : text.trim();
      if (!isFhirId(id)) throw invalid(`The parameter does not refer to a ${type} of this server.`, name);
      return id;
    });
  if (ids.length > max) throw invalid(`More than ${max} of them.`, name);
  return [...new Set(ids)];
}

/**
 * The ids of the patients that `patient` and `group` name together (those who are both named and members, where both
 * stand there); undefined without either.
 * @throws Fault `forbidden`, `not-found`
 */
export async function patientsIn(
  { access, base }: FhirRequest,
  given: readonly Given[],
  members: (group: string) => AsyncIterable<readonly string[]>,
): Promise<string[] | undefined> {
  const named = given.some((p) => p.name === 'patient')
    ? new Set(idsOf(given, 'patient', 'Patient', base, MAX_PATIENTS))
    : undefined;
  const groups = idsOf(given, 'group', 'Group', base, MAX_GROUPS);
  if (groups.length === 0) return named && [...named];
  if (!access.allows('Group', 'r')) throw forbidden('group');
  const found = new Set<string>();
  for (const group of groups)
    for await (const ids of members(group)) for (const id of ids) if (!named || named.has(id)) found.add(id);
  return [...found];
}

export function forbidden(at: string): Fault {
  return new Fault('forbidden', 'The token does not permit reading what this would show.', {
    at,
    remedy: 'Ask for a scope that covers the type, such as system/*.rs.',
  });
}

/**
 * The view that parameters name: exactly one of `viewReference` and `viewResource`, or the one of the address.
 * @throws Fault `invalid`, `forbidden` (the caller may read neither the definition nor what it is of), `not-found`
 */
export async function viewIn(
  finder: ViewFinder,
  request: FhirRequest,
  given: readonly Given[],
  at = '',
): Promise<{ view: View; definition: Resource }> {
  const reference = oneText(given, 'viewReference');
  const resources = given.filter((p) => p.name === 'viewResource').map((p) => p.resource);
  const id = request.at.id;
  if (resources.length + (reference === undefined ? 0 : 1) + (id === undefined ? 0 : 1) !== 1) {
    throw invalid(
      'The request does not name one view.',
      `${at}viewReference`,
      'Give viewReference or viewResource, once; neither at ViewDefinition/{id}.',
    );
  }
  let definition: Resource;
  if (resources.length === 1) definition = sentView(resources[0], `${at}viewResource`);
  else {
    if (!request.access.allows('ViewDefinition', 'r')) throw forbidden(`${at}viewReference`);
    definition = await findView(finder, request.tenant, reference ?? id!, `${at}viewReference`);
  }
  const view = compileView(definition);
  if (!request.access.allows(view.resource, 'r')) throw forbidden('ViewDefinition.resource');
  return { view, definition };
}

/**
 * A view that is sent along and not kept: it must run, and need not have what only a kept one needs (`status`).
 * @throws Fault `invalid`
 */
export function sentView(resource: unknown, at: string): Resource {
  if (!isObject(resource) || (resource.resourceType ?? 'ViewDefinition') !== 'ViewDefinition')
    throw invalid('The parameter holds no ViewDefinition.', at);
  return { ...resource, resourceType: 'ViewDefinition' };
}

/** Resources sent along, to be shown instead of what is kept; undefined without any. */
export function resourcesIn(given: readonly Given[]): Resource[] | undefined {
  const sent = given.filter((p) => p.name === 'resource');
  if (sent.length === 0) return undefined;
  if (sent.length > MAX_RESOURCES) throw invalid(`More than ${MAX_RESOURCES} resources.`, 'resource');
  return sent.map((p) => {
    // Some clients send a resource as its text.
    const resource = p.resource ?? (typeof p.valueString === 'string' ? parseJson(p.valueString) : undefined);
    if (!isObject(resource) || typeof resource.resourceType !== 'string')
      throw invalid('The parameter holds no resource.', 'resource');
    return resource as Resource;
  });
}
