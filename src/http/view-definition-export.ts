import type { Cohorts } from '../cohort/cohort.js';
import { invalid } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { requireScope, type ViewFinder, viewFileName } from '../export/view-source.js';
import type { ViewsRequest } from '../tasks/bulk-export-job.js';
import type { BulkExports } from '../tasks/bulk-exports.js';
import { isObject } from '../tasks/bundle-entry.js';
import { started } from './bulk-export.js';
import type { FhirRequest, Handler } from './exchange.js';
import type { Route } from './router.js';
import {
  booleanOf,
  formatOf,
  type Given,
  givenParameters,
  idsOf,
  oneText,
  patientsIn,
  requireKnown,
  sinceOf,
  textOf,
  viewIn,
} from './view-definition-request.js';
import { parametersOf } from './view-export-manifest.js';

/**
 * `$viewdefinition-export` (SQL on FHIR v2): tables of several views, asynchronously. State, deletion and files are
 * those of bulk exports; what stands here is the kick-off.
 */
export interface ViewExportRoutesDeps extends ViewFinder {
  readonly exports: BulkExports;
  readonly cohorts: Cohorts;
}

const MAX_VIEWS = 50;
const KNOWN = new Set([
  'view',
  'viewReference',
  'viewResource',
  'clientTrackingId',
  '_format',
  'header',
  '_deidentify',
  '_qualityReport',
  'patient',
  'group',
  '_since',
  '_pretty',
]);

export function viewExportRoutes(deps: ViewExportRoutesDeps): Route[] {
  const name = '$viewdefinition-export';
  const handle = kickOff(deps);
  const claim = {
    kind: 'operation',
    name: 'viewdefinition-export',
    definition: 'http://sql-on-fhir.org/OperationDefinition/$viewdefinition-export',
  } as const;
  const instance = `ViewDefinition/:id/${name}`;
  return [
    ...[name, `ViewDefinition/${name}`, instance].map(
      (path): Route => ({ method: 'POST', path, claim, needs: 'each', handle }),
    ),
    { method: 'GET', path: instance, claim, needs: 'each', handle },
  ];
}

function kickOff(deps: ViewExportRoutesDeps): Handler {
  return async (request) => {
    const given = await givenParameters(request);
    requireKnown(given, KNOWN);
    const { items, types } = await viewsIn(deps, request, given);
    const { tenant, base, actor } = request;
    const own = deps.baseOf(tenant);
    const patients = await patientsIn(request, given, (group) => deps.cohorts.members(tenant, group, own));
    for (const type of types) requireScope({ type, patients });
    const trackingId = oneText(given, 'clientTrackingId')?.slice(0, 200);
    const sinceMs = sinceOf(given);
    // A group is kept as one: its members may be many.
    const groups = idsOf(given, 'group', 'Group', base, 1);
    const views: ViewsRequest = {
      format: formatOf(given, undefined),
      items,
      ...(booleanOf(given, 'header') === false ? { noHeader: true } : {}),
      ...(trackingId === undefined ? {} : { trackingId }),
    };
    const named = given.some((p) => p.name === 'patient');
    const job = await started(deps.exports, request, {
      level: patients === undefined ? 'system' : groups.length > 0 ? 'group' : 'patient',
      ...(groups.length > 0 ? { group: groups[0]! } : {}),
      ...(patients && (named || groups.length === 0) ? { patients } : {}),
      types,
      filters: [],
      elements: [],
      notices: [],
      ...(sinceMs === undefined ? {} : { sinceMs }),
      ...(booleanOf(given, '_deidentify') ? { deidentify: true } : {}),
      ...(booleanOf(given, '_qualityReport') ? { report: true } : {}),
      views,
      base,
      url: `${base}/$viewdefinition-export`,
      actor: { id: actor.id, kind: actor.kind },
    });
    const location = `${base}/$export-status/${job.id}`;
    return {
      status: 202,
      resource: parametersOf([
        { name: 'exportId', valueString: job.id },
        ...(trackingId === undefined ? [] : [{ name: 'clientTrackingId', valueString: trackingId }]),
        { name: 'status', valueCode: 'accepted' },
        { name: 'location', valueUri: location },
        { name: 'cancelUrl', valueUri: location },
        { name: '_format', valueCode: views.format },
      ]),
      headers: { 'Content-Location': location },
    };
  };
}

async function viewsIn(
  deps: ViewFinder,
  request: FhirRequest,
  given: readonly Given[],
): Promise<{ items: ViewsRequest['items']; types: string[] }> {
  const listed = given.filter((p) => p.name === 'view');
  if (listed.length > MAX_VIEWS) throw invalid(`More than ${MAX_VIEWS} views.`, 'view');
  if (request.at.id !== undefined && listed.length > 0)
    throw invalid(
      'The view is the one of the address.',
      'view',
      'Leave view out, or use $viewdefinition-export.',
    );
  const sources: (readonly Given[])[] =
    listed.length > 0
      ? listed.map((p) => (Array.isArray(p.part) ? (p.part.filter(isObject) as Given[]) : []))
      : [given];
  const items: { name: string; definition: Resource }[] = [];
  const types = new Set<string>();
  for (const [i, parts] of sources.entries()) {
    const at = listed.length > 0 ? `view[${i}].` : '';
    const { view, definition } = await viewIn(deps, request, parts, at);
    types.add(view.resource);
    const asked = textOf(parts.find((p) => p.name === 'name')) ?? view.name ?? `view-${i + 1}`;
    items.push({
      name: viewFileName(
        asked,
        items.map((item) => item.name),
      ),
      definition,
    });
  }
  return { items, types: [...types] };
}
