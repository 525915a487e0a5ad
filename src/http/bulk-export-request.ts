import { Fault, invalid } from '../core/fault.js';
import { isFhirId } from '../core/ids.js';
import { ASSOCIATED_TYPES, COMPARTMENT_TYPES } from '../export/bulk-rows.js';
import { parsePartialDate } from '../fhir/dates.js';
import { parseReference } from '../fhir/references.js';
import { isResourceType, RESOURCE_TYPES } from '../fhir/resource-types.js';
import type { BulkExportRequest } from '../tasks/bulk-export-job.js';
import type { FhirRequest } from './exchange.js';
import type { Pair } from './negotiate.js';
import { parametersBody } from './operation-input.js';
import { requireSearchable } from './search-access.js';

/** Patients that one request names, searches it narrows types by, and elements it asks for. */
const MAX_PATIENTS = 1_000;
const MAX_FILTERS = 50;
const MAX_ELEMENTS = 200;

const FORMATS = new Set(['application/fhir+ndjson', 'application/ndjson', 'ndjson']);
/** Parameters of a search that choose how it is shown, not what it finds. */
const SHOWN_BY = new Set(['_include', '_revinclude', '_sort', '_count', '_summary', '_elements', '_total']);

export type Level = BulkExportRequest['level'];
type Wanted = Omit<BulkExportRequest, 'level' | 'group' | 'base' | 'url' | 'actor'>;

/**
 * The parameters of a kick-off (Bulk Data Access 2.0 and 3.0, "Query Parameters"). `allowPartialManifests` is taken and
 * answered with one whole manifest, as it permits. With `Prefer: handling=lenient` what is not
 * understood is left out and told in the error file; else it is a fault.
 */
export async function bulkExportRequest(request: FhirRequest, level: Level): Promise<Wanted> {
  const notices: string[] = [];
  const refuse = (fault: Fault) => {
    if (request.prefer.handling !== 'lenient') throw fault;
    notices.push(`Left out${fault.at === undefined ? '' : `, ${fault.at}`}: ${fault.message}`);
  };
  const given = await pairs(request);
  const list = (name: string) =>
    given.filter(([key]) => key === name).flatMap(([, value]) => value.split(',').map((v) => v.trim()));
  const known = new Set(KNOWN);
  for (const [name] of given) {
    if (!known.has(name)) refuse(invalid('The export knows no such parameter.', name.slice(0, 64)));
  }
  const format = list('_outputFormat')[0];
  // A plus in an address may have been read as a space.
  if (format !== undefined && !FORMATS.has(format.replace(' ', '+'))) {
    refuse(invalid('Exports are NDJSON.', '_outputFormat', 'Use application/fhir+ndjson.'));
  }
  const types = typesOf(
    request,
    level,
    list('_type').filter((t) => t !== ''),
    refuse,
  );
  const patients = level === 'system' ? refusePatients(given, refuse) : patientsOf(request, given);
  if (patients === undefined && isOfOnePatient(request)) {
    refuse(
      new Fault('forbidden', 'The token is for one patient, the export for more.', {
        at: 'patient',
        remedy:
          'POST Patient/$export with Parameters that name the patient, or send Prefer: handling=lenient for what the token covers.',
      }),
    );
  }
  const filters = filtersOf(request, level, given, types, refuse);
  const elements = list('_elements').filter((e) => e !== '');
  for (const element of elements) {
    if (!/^([A-Z][A-Za-z]+\.)?[a-z][A-Za-z]*$/.test(element))
      throw invalid('Only root elements can be asked for.', '_elements', 'Write Patient.name or name.');
  }
  if (elements.length > MAX_ELEMENTS) throw invalid('Too many elements are asked for.', '_elements');
  const sinceMs = instant(list('_since')[0], '_since');
  const untilMs = instant(list('_until')[0], '_until');
  const provenance = associated(list('includeAssociatedData'), refuse);
  if (provenance && !request.access.allows('Provenance', 'r')) throw forbidden('includeAssociatedData');
  const byPatient = organized(list('organizeOutputBy'), refuse);
  const deidentify = flag(list, '_deidentify');
  const report = flag(list, '_qualityReport');
  const partial = list('allowPartialManifests');
  if (partial.some((value) => value !== 'true' && value !== 'false'))
    refuse(invalid('Neither true nor false.', 'allowPartialManifests'));
  return {
    types,
    filters,
    elements,
    notices,
    ...(patients ? { patients } : {}),
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(untilMs === undefined ? {} : { untilMs }),
    ...(provenance ? { provenance } : {}),
    ...(byPatient ? { byPatient } : {}),
    ...(deidentify ? { deidentify } : {}),
    ...(report ? { report } : {}),
  };
}

/** Whether all that the token may read is one patient's: then more is refused whole, and never given in part unasked. */
const isOfOnePatient = ({ access: { grants } }: FhirRequest): boolean =>
  grants?.every(({ letters, patient }) => !letters.includes('r') || patient !== undefined) === true;

const KNOWN = [
  '_type',
  '_since',
  '_until',
  '_typeFilter',
  '_elements',
  '_outputFormat',
  'patient',
  'includeAssociatedData',
  'organizeOutputBy',
  'allowPartialManifests',
  '_deidentify',
  '_qualityReport',
  '_format',
  '_pretty',
];

/** Of the address, or of the Parameters of a POST; a patient is a Reference there. */
async function pairs(request: FhirRequest): Promise<Pair[]> {
  if (request.method !== 'POST') return [...request.params];
  const bodyless = request.headers['content-length'] === '0' || request.headers['content-type'] === undefined;
  const found: Pair[] = [...request.params];
  for (const item of bodyless ? [] : await parametersBody(request)) {
    const key = Object.keys(item).find((name) => name.startsWith('value'));
    const value = key === undefined ? undefined : item[key];
    const plain = typeof value === 'boolean' ? String(value) : value;
    const text = key === 'valueReference' ? (value as { reference?: unknown } | undefined)?.reference : plain;
    if (typeof text !== 'string')
      throw invalid('The parameter has no value that can be used.', String(item.name).slice(0, 64));
    found.push([item.name as string, text]);
  }
  return found;
}

function typesOf(
  { access }: FhirRequest,
  level: Level,
  named: readonly string[],
  refuse: (fault: Fault) => void,
): string[] {
  const possible = level === 'system' ? RESOURCE_TYPES : [...COMPARTMENT_TYPES, ...ASSOCIATED_TYPES];
  if (named.length === 0) {
    const types = possible.filter((type) => access.allows(type, 'r'));
    if (types.length === 0) throw forbidden('_type');
    return types;
  }
  const types: string[] = [];
  for (const type of new Set(named)) {
    if (!isResourceType(type)) refuse(invalid('_type names what is no resource type of FHIR R4.', '_type'));
    else if (!possible.includes(type))
      refuse(
        invalid(`${type} is not exported at this level.`, '_type', 'Ask for it by the export of the system.'),
      );
    else if (!access.allows(type, 'r')) throw forbidden('_type');
    else types.push(type);
  }
  if (types.length === 0) throw invalid('No type is left to export.', '_type');
  if (level !== 'system' && !types.some((type) => COMPARTMENT_TYPES.includes(type))) {
    throw invalid(
      'The types are all outside of the patient compartment.',
      '_type',
      'Use the export of the system.',
    );
  }
  return types;
}

function forbidden(at: string): Fault {
  return new Fault('forbidden', 'The token does not permit reading what the export would give.', {
    at,
    remedy: 'Ask for a scope that covers the types, such as system/*.rs.',
  });
}

function refusePatients(given: readonly Pair[], refuse: (fault: Fault) => void): undefined {
  if (given.some(([name]) => name === 'patient'))
    refuse(invalid('The export of the system takes no patients.', 'patient', 'Use Patient/$export.'));
  return undefined;
}

function patientsOf(request: FhirRequest, given: readonly Pair[]): string[] | undefined {
  const named = given.filter(([name]) => name === 'patient').flatMap(([, value]) => value.split(','));
  if (named.length === 0) return undefined;
  if (request.method !== 'POST') {
    throw invalid(
      'Patients are named in the body of a POST alone.',
      'patient',
      'Send a Parameters resource.',
    );
  }
  if (named.length > MAX_PATIENTS) throw invalid(`More than ${MAX_PATIENTS} patients.`, 'patient');
  const ids = named.map((text) => {
    const reference = parseReference(text.trim(), request.base);
    if (reference.kind !== 'local' || reference.type !== 'Patient' || !isFhirId(reference.id))
      throw invalid('The parameter does not refer to a Patient of this server.', 'patient');
    return reference.id;
  });
  return [...new Set(ids)];
}

/** `_typeFilter=Condition?code=a,Observation?code=b`: a comma that a type and `?` follow ends a search. */
function filtersOf(
  { access }: FhirRequest,
  level: Level,
  given: readonly Pair[],
  types: readonly string[],
  refuse: (fault: Fault) => void,
): Wanted['filters'] {
  const texts = given
    .filter(([name]) => name === '_typeFilter')
    .flatMap(([, value]) => value.split(/,(?=[A-Z][A-Za-z]+\?)/));
  if (texts.length > MAX_FILTERS) throw invalid(`More than ${MAX_FILTERS} searches.`, '_typeFilter');
  const filters: { type: string; params: Pair[] }[] = [];
  for (const text of texts) {
    const at = text.indexOf('?');
    const type = text.slice(0, Math.max(at, 0));
    const params: Pair[] = [...new URLSearchParams(text.slice(at + 1))];
    if (!isResourceType(type) || params.length === 0) {
      refuse(invalid('Not a search such as Condition?code=…', '_typeFilter'));
    } else if (!types.includes(type)) {
      refuse(invalid(`${type} is not among the types of this export.`, '_typeFilter'));
    } else if (params.some(([name]) => SHOWN_BY.has(name.split(':')[0]!))) {
      refuse(invalid('A search that narrows an export has criteria alone.', '_typeFilter'));
    } else if (level !== 'system' && (type === 'Provenance' || !COMPARTMENT_TYPES.includes(type))) {
      refuse(invalid(`${type} is narrowed by the export of the system alone.`, '_typeFilter'));
    } else {
      if (!access.allows(type, 's')) throw forbidden('_typeFilter');
      requireSearchable(access, type, params);
      filters.push({ type, params });
    }
  }
  return filters;
}

function instant(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  // The plus of a time zone may have been read as a space.
  const parsed = parsePartialDate(text.replace(' ', '+'));
  if (!parsed || !/T/.test(text))
    throw invalid('Not an instant.', name, 'Send one such as 2024-05-01T10:00:00Z.');
  return name === '_since' ? parsed.lo : parsed.hi;
}

/** Of two values that contradict each other the one that gives more counts. */
function associated(values: readonly string[], refuse: (fault: Fault) => void): Wanted['provenance'] {
  let found: Wanted['provenance'];
  for (const value of values.filter((v) => v !== '')) {
    if (value === 'RelevantProvenanceResources') found = 'relevant';
    else if (value === 'LatestProvenanceResources') found ??= 'latest';
    else
      refuse(
        invalid(
          'A value of includeAssociatedData is not known.',
          'includeAssociatedData',
          'Use LatestProvenanceResources or RelevantProvenanceResources.',
        ),
      );
  }
  return found;
}

/** Parameters of ours are never left out silently: who asks for de-identified data must not get other. */
function flag(list: (name: string) => string[], name: string): boolean {
  const values = list(name);
  if (values.some((value) => value !== 'true' && value !== 'false'))
    throw invalid('Neither true nor false.', name);
  return values.includes('true');
}

/** Blocks by patient; of other types it is not said what would belong to a block. */
function organized(values: readonly string[], refuse: (fault: Fault) => void): boolean {
  const named = values.filter((v) => v !== '');
  if (named.length === 0) return false;
  if (named.length === 1 && named[0] === 'Patient') return true;
  refuse(invalid('Output can be organized by Patient alone.', 'organizeOutputBy'));
  return false;
}
