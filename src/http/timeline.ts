import { pipeline, Readable } from 'node:stream';
import { constants, createGzip } from 'node:zlib';
import { Fault } from '../core/fault.js';
import { timelineBundle } from '../timeline/bundle.js';
import { SHOWN_TYPES } from '../timeline/kinds.js';
import type { Outline } from '../timeline/outline.js';
import type { Timeline } from '../timeline/timeline.js';
import { type FhirRequest, type Handler, segment } from './exchange.js';
import type { Pair } from './negotiate.js';
import { operationParams } from './operation-input.js';
import { acceptsGzip } from './respond.js';
import type { Route } from './router.js';
import { asWarning } from './search.js';

/** `GET|POST Patient/{id}/$timeline`. */
export function timelineRoutes(of: Timeline): Route[] {
  const { timeline } = of;
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
  const both = (path: string, of: typeof claim | typeof outlineClaim, how: Handler): Route[] =>
    (['GET', 'POST'] as const).map((method) => ({ method, path, claim: of, needs: 'r', handle: how }));
  return [
    ...both('Patient/:id/$timeline', claim, handle),
    ...both('Patient/:id/$timeline-outline', outlineClaim, outlineHandler(of)),
  ];
}

const outlineClaim = {
  kind: 'operation',
  name: 'timeline-outline',
  definition: 'https://cenote.health/fhir/OperationDefinition/patient-timeline-outline',
  type: 'Patient',
} as const;

/**
 * `GET|POST Patient/{id}/$timeline-outline`: NDJSON, sent as it is made. The first line tells how dense the timeline is,
 * each other one is an event; the last tells that all were sent.
 */
function outlineHandler({ outline }: Timeline): Handler {
  return async (request) => {
    const patient = segment(request, 'id');
    const params = withinAccess(request, await operationParams(request));
    const { density, events, warnings } = await outline(request.tenant, {
      patient,
      params,
      strict: request.prefer.handling === 'strict',
      base: request.base,
    });
    const plain = Readable.from(linesOf(density, warnings, events), { objectMode: false });
    const zipped = acceptsGzip(request.headers['accept-encoding']);
    return {
      status: 200,
      stream: zipped ? pipeline(plain, quickGzip(), () => {}) : plain,
      gives: { patients: [patient], count: density.events },
      headers: {
        'Content-Type': 'application/x-ndjson',
        Vary: 'Accept, Accept-Encoding, Origin, Prefer',
        ...(zipped ? { 'Content-Encoding': 'gzip' } : {}),
      },
    };
  };
}

/** What is written is sent at once, so that the first line is not kept back until the last. */
const quickGzip = () => createGzip({ level: 1, flush: constants.Z_SYNC_FLUSH });

async function* linesOf(
  density: Outline['density'],
  warnings: Outline['warnings'],
  events: Outline['events'],
): AsyncGenerator<string> {
  const about = warnings.map((w) => ({ at: w.at, message: w.message }));
  yield `${JSON.stringify({ density, ...(about.length > 0 ? { warnings: about } : {}) })}\n`;
  let sent = 0;
  for await (const batch of events) {
    sent += batch.length;
    yield batch.map((event) => `${JSON.stringify(event)}\n`).join('');
  }
  yield `${JSON.stringify({ complete: sent })}\n`;
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
