import { Fault } from '../core/fault.js';
import { timelineBundle } from '../timeline/bundle.js';
import { SHOWN_TYPES } from '../timeline/kinds.js';
import type { Timeline } from '../timeline/timeline.js';
import { type FhirRequest, type Handler, segment } from './exchange.js';
import type { Pair } from './negotiate.js';
import { operationParams } from './operation-input.js';
import type { Route } from './router.js';
import { asWarning } from './search.js';

/** `GET|POST Patient/{id}/$timeline`. */
export function timelineRoutes({ timeline }: Timeline): Route[] {
  const handle: Handler = async (request) => {
    const patient = segment(request, 'id');
    const params = withinAccess(request, await operationParams(request));
    const page = await timeline(request.tenant, {
      patient,
      params,
      caller: request.actor.id,
      strict: request.prefer.handling === 'strict',
      base: request.base,
    });
    const bundle = timelineBundle(page, request.base, patient);
    const [warning, ...also] = page.warnings;
    if (!warning) return { status: 200, resource: bundle };
    const entry = [
      ...((bundle.entry as unknown[] | undefined) ?? []),
      { resource: asWarning(warning, also), search: { mode: 'outcome' } },
    ];
    return { status: 200, resource: { ...bundle, entry } };
  };
  const claim = {
    kind: 'operation',
    name: 'timeline',
    definition: 'https://cenote.health/fhir/OperationDefinition/patient-timeline',
    type: 'Patient',
  } as const;
  return (['GET', 'POST'] as const).map((method) => ({
    method,
    path: 'Patient/:id/$timeline',
    claim,
    needs: 'r',
    handle,
  }));
}

/** The types asked for must be ones the token may read; without any named, those that it may are shown. */
function withinAccess({ access }: FhirRequest, params: readonly Pair[]): readonly Pair[] {
  if (access.allowsAll('r') || params.some(([name]) => name === '_cursor')) return params;
  const named = params.filter(([name]) => name === '_type').flatMap(([, value]) => value.split(','));
  if (named.some((type) => type !== '' && !access.allows(type, 'r'))) {
    throw new Fault('forbidden', 'The token does not permit reading these types.', {
      at: '_type',
      remedy: 'Name in _type only types that the token may read.',
    });
  }
  if (named.length > 0) return params;
  const allowed = SHOWN_TYPES.filter((type) => access.allows(type, 'r'));
  if (allowed.length === 0) {
    throw new Fault('forbidden', 'The token permits reading none of a timeline.', {
      remedy: 'Ask for scopes that read clinical types.',
    });
  }
  return [...params, ['_type', allowed.join(',')]];
}
