import type { Cohorts } from '../cohort/cohort.js';
import { currentFeatures } from '../cohort/current-features.js';
import {
  type Feature,
  featureColumns,
  featureOf,
  featuresAt,
  type IndexRow,
  type KnownBy,
  MAX_INDEX_ROWS,
} from '../cohort/features.js';
import { indexTimes } from '../cohort/index-times.js';
import { Fault, invalid } from '../core/fault.js';
import { isFhirId } from '../core/ids.js';
import { findView, type ViewFinder } from '../export/view-source.js';
import { VIEW_MEDIA_TYPES, writeRows } from '../export/view-table.js';
import { parsePartialDate } from '../fhir/dates.js';
import { parseReference } from '../fhir/references.js';
import { isObject } from '../tasks/bundle-entry.js';
import { deidentifier } from '../tasks/deidentify.js';
import { type FhirRequest, type Handler, segment } from './exchange.js';
import type { Route } from './router.js';
import { streamed } from './view-definition.js';
import {
  booleanOf,
  forbidden,
  formatOf,
  type Given,
  givenParameters,
  oneText,
  requireKnown,
  sentView,
  textOf,
} from './view-definition-request.js';

/**
 * `$cohort-features`: of each row of patient and index time, the last values that had happened and were known by then;
 * `Patient/{id}/$features`: those of one patient now.
 */
export interface FeatureRoutesDeps extends ViewFinder {
  readonly cohorts: Cohorts;
}

const DEFINITION = 'https://cenote.health/fhir/OperationDefinition';
const KNOWN = new Set(['feature', 'row', 'indexTime', 'index', 'known', '_deidentify', '_format', '_pretty']);
const ONLINE = new Set(['feature', 'known', '_pretty', '_format']);

export function featureRoutes(deps: FeatureRoutesDeps): Route[] {
  const claim = (name: string, definition: string, type?: string) =>
    ({
      kind: 'operation',
      name,
      definition: `${DEFINITION}/${definition}`,
      ...(type ? { type } : {}),
    }) as const;
  const offline = cohortFeatures(deps);
  const online = patientFeatures(deps);
  return [
    {
      method: 'POST',
      path: '$cohort-features',
      claim: claim('cohort-features', 'cohort-features'),
      needs: 'each',
      handle: offline,
    },
    {
      method: 'POST',
      path: 'Group/:id/$cohort-features',
      claim: claim('cohort-features', 'cohort-features', 'Group'),
      needs: 'r',
      handle: offline,
    },
    ...(['GET', 'POST'] as const).map(
      (method): Route => ({
        method,
        path: 'Patient/:id/$features',
        claim: claim('features', 'patient-features', 'Patient'),
        needs: 'r',
        handle: online,
      }),
    ),
  ];
}

function cohortFeatures(deps: FeatureRoutesDeps): Handler {
  return async (request) => {
    const given = await givenParameters(request);
    requireKnown(given, KNOWN);
    const features = await featuresIn(deps, request, given);
    const base = deps.baseOf(request.tenant);
    const rows =
      request.at.id === undefined ? rowsIn(request, given) : await membersRows(deps, request, given, base);
    const known = oneText(given, 'known') ?? 'version';
    if (known !== 'version' && known !== 'column')
      throw invalid('known is version or column.', 'known', 'Leave it out for version.');
    const knownBy: KnownBy = known;
    const format = formatOf(given, request.headers.accept);
    const disguise = booleanOf(given, '_deidentify')
      ? deidentifier(request.tenant, {}, request.now, new Map())
      : undefined;
    return streamed(VIEW_MEDIA_TYPES[format], async (sink, signal) => {
      await writeRows(
        featureColumns(features),
        featuresAt(request.tenant, features, rows, { base, knownBy, disguise }),
        { format, sink, signal },
      );
    });
  };
}

function patientFeatures(deps: FeatureRoutesDeps): Handler {
  return async (request) => {
    const given = await givenParameters(request);
    requireKnown(given, ONLINE);
    const features = await featuresIn(deps, request, given);
    const patient = segment(request, 'id');
    const base = deps.baseOf(request.tenant);
    const at = request.now;
    const found = await currentFeatures(request.tenant, features, { patient, at }, base);
    const json: Record<string, unknown> = { patient_id: patient, index_time: new Date(at).toISOString() };
    features.forEach((feature, i) => {
      const columns = featureColumns([feature]).slice(2);
      const cells = found[i];
      columns.forEach(({ name }, j) => {
        json[name] = cells ? cells[j] : null;
      });
    });
    return { status: 200, json };
  };
}

/** `feature`: a name of a view, or parts `name` and `viewReference` or `viewResource`. */
async function featuresIn(
  deps: FeatureRoutesDeps,
  request: FhirRequest,
  given: readonly Given[],
): Promise<Feature[]> {
  // Past versions are what they are: who may not see all of the present may not see them.
  if (!request.access.allowsAll('r') || !request.access.allowsAll('s')) {
    throw new Fault('forbidden', 'Features need the right to read and search every type.', {
      remedy: 'Ask for a scope such as system/*.rs.',
    });
  }
  const features: Feature[] = [];
  for (const parameter of given.filter((p) => p.name === 'feature')) {
    const at = `feature[${features.length}]`;
    const parts = (Array.isArray(parameter.part) ? parameter.part : []).filter(isObject) as Given[];
    const part = (name: string) => parts.find((p) => p.name === name);
    const resource = part('viewResource')?.resource;
    const reference = textOf(part('viewReference')) ?? textOf(parameter);
    if ((resource === undefined) === (reference === undefined))
      throw invalid('The feature does not name one view.', at, 'Give viewReference or viewResource.');
    const definition =
      reference === undefined ? sentView(resource, at) : await findView(deps, request.tenant, reference, at);
    const feature = featureOf(definition, textOf(part('name')));
    if (!request.access.allows(feature.view.resource, 'r')) throw forbidden(at);
    features.push(feature);
  }
  return features;
}

function rowsIn(request: FhirRequest, given: readonly Given[]): IndexRow[] {
  const rows = given.filter((p) => p.name === 'row');
  if (rows.length === 0 || rows.length > MAX_INDEX_ROWS)
    throw invalid(`There are 1 to ${MAX_INDEX_ROWS} rows.`, 'row', 'Give each the parts patient and time.');
  return rows.map((row, i) => {
    const parts = (Array.isArray(row.part) ? row.part : []).filter(isObject) as Given[];
    const text = (name: string) => textOf(parts.find((p) => p.name === name));
    const reference = parseReference(text('patient') ?? '', request.base);
    const patient =
      reference.kind === 'local' && reference.type === 'Patient' ? reference.id : text('patient');
    if (!isFhirId(patient)) throw invalid('The row names no Patient of this server.', `row[${i}].patient`);
    return { patient, at: indexTime(text('time'), `row[${i}].time`) };
  });
}

/** A date without a time is its first moment: what else happened on that day is not told apart from what came after. */
function indexTime(text: string | undefined, at: string): number {
  const parsed = parsePartialDate((text ?? '').replace(' ', '+'));
  if (!parsed) throw invalid('Not a date or an instant.', at, 'Send one such as 2024-05-01T10:00:00Z.');
  return parsed.lo;
}

/** The members of a Group, each at one time for all, or when a search first finds something of theirs. */
async function membersRows(
  deps: FeatureRoutesDeps,
  request: FhirRequest,
  given: readonly Given[],
  base: string,
): Promise<IndexRow[]> {
  const time = oneText(given, 'indexTime');
  const search = oneText(given, 'index');
  if ((time === undefined) === (search === undefined)) {
    throw invalid(
      'The request does not say at which time.',
      'indexTime',
      'Give indexTime, or index with a search such as Condition?code=….',
    );
  }
  const members = deps.cohorts.members(request.tenant, segment(request, 'id'), base);
  const at = time === undefined ? undefined : indexTime(time, 'indexTime');
  const firsts =
    search === undefined ? undefined : await indexTimes(deps.search, request.tenant, search, base);
  const rows: IndexRow[] = [];
  for await (const ids of members) {
    for (const patient of ids) {
      const when = at ?? firsts?.get(patient);
      if (when !== undefined) rows.push({ patient, at: when });
    }
    if (rows.length > MAX_INDEX_ROWS)
      throw new Fault(
        'too-large',
        `A cohort of at most ${MAX_INDEX_ROWS} patients can be asked for at once.`,
      );
  }
  return rows;
}
