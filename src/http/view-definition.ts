import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { Cohorts } from '../cohort/cohort.js';
import type { Clock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import type { ByteSink } from '../export/table.js';
import { foundResources, requireScope, storedResources, type ViewFinder } from '../export/view-source.js';
import { VIEW_MEDIA_TYPES, writeView } from '../export/view-table.js';
import { atSnapshot } from '../store/snapshot.js';
import { deidentifier, stripped } from '../tasks/deidentify.js';
import type { FhirResponse, Handler } from './exchange.js';
import type { Route } from './router.js';
import {
  booleanOf,
  formatOf,
  givenParameters,
  limitOf,
  patientsIn,
  requireKnown,
  resourcesIn,
  sinceOf,
  viewIn,
} from './view-definition-request.js';

/**
 * `$viewdefinition-run`, `$run` for short (SQL on FHIR v2, "Operation $viewdefinition-run"): the rows of a view of what
 * is kept, or of resources sent along, as they are found. The answer is the table itself.
 */
export interface ViewRoutesDeps extends ViewFinder {
  readonly clock: Clock;
  readonly cohorts: Cohorts;
}

const KNOWN = new Set([
  '_format',
  'header',
  'viewReference',
  'viewResource',
  'patient',
  'group',
  'resource',
  '_limit',
  '_since',
  '_deidentify',
  '_pretty',
]);

export function viewDefinitionRoutes(deps: ViewRoutesDeps): Route[] {
  const handle = runHandler(deps);
  const routes: Route[] = [];
  for (const name of ['$viewdefinition-run', '$run']) {
    const claim = {
      kind: 'operation',
      name: name.slice(1),
      definition: 'http://sql-on-fhir.org/OperationDefinition/$viewdefinition-run',
    } as const;
    const places = [`ViewDefinition/${name}`, `ViewDefinition/:id/${name}`];
    for (const path of name === '$run' ? places : [name, ...places])
      for (const method of ['GET', 'POST'] as const)
        routes.push({ method, path, claim, needs: 'each', handle });
  }
  return routes;
}

function runHandler(deps: ViewRoutesDeps): Handler {
  return async (request) => {
    const given = await givenParameters(request);
    requireKnown(given, KNOWN);
    const format = formatOf(given, request.headers.accept);
    const { view } = await viewIn(deps, request, given);
    const sent = resourcesIn(given);
    const { tenant } = request;
    const base = deps.baseOf(tenant);
    const patients = await patientsIn(request, given, (group) => deps.cohorts.members(tenant, group, base));
    const choice = { type: view.resource, patients, sinceMs: sinceOf(given) };
    requireScope(choice);
    const options = { format, limit: limitOf(given), noHeader: booleanOf(given, 'header') === false };
    const strip = booleanOf(given, '_deidentify')
      ? deidentifier(tenant, {}, deps.clock.now(), new Map())
      : undefined;
    const shown = (batches: AsyncIterable<readonly Resource[]>) =>
      strip ? stripped(batches, strip) : batches;
    return streamed(VIEW_MEDIA_TYPES[format], async (sink, signal) => {
      if (sent) {
        await writeView(view, shown(only(sent)), { ...options, sink, signal });
        return;
      }
      // Who sees a part of the tenant asks search, which finds what they may see.
      if (!request.access.allowsAll('r') || !request.access.allowsAll('s')) {
        const found = foundResources(deps.search, tenant, choice, base);
        await writeView(view, shown(found), { ...options, sink, signal });
        return;
      }
      const context = { blind: tenant.keys.blind, base, now: deps.clock.now() };
      await atSnapshot(
        tenant,
        deps.clock,
        (snapshot) =>
          writeView(view, shown(storedResources(snapshot, choice, context)), { ...options, sink, signal }),
        { settled: false },
      );
    });
  };
}

async function* only(resources: readonly Resource[]): AsyncGenerator<readonly Resource[]> {
  yield resources;
}

/** A reader who takes nothing for this long is given up: it holds a connection of the database. */
const STALLED_MS = 60_000;

/**
 * An answer that is written while it is read. What fails before the first byte is a fault like any other; what fails
 * later ends the connection, so that nobody takes a part for the whole.
 */
export async function streamed(
  mediaType: string,
  write: (sink: ByteSink, signal: AbortSignal) => Promise<void>,
): Promise<FhirResponse> {
  const stream = new PassThrough();
  const left = new AbortController();
  stream.once('close', () => left.abort(new Fault('unavailable', 'The reader of the table went away.')));
  const begun = new Promise<void>((resolve, reject) => {
    const sink: ByteSink = {
      async write(chunk) {
        resolve();
        if (stream.destroyed) left.signal.throwIfAborted();
        // Whoever reads slowly is waited for, and whoever left is not.
        if (stream.write(chunk)) return;
        const stalled = AbortSignal.timeout(STALLED_MS);
        await once(stream, 'drain', { signal: AbortSignal.any([left.signal, stalled]) });
      },
    };
    write(sink, left.signal).then(
      () => {
        resolve();
        stream.end();
      },
      (error: Error) => {
        reject(error);
        stream.destroy(error);
      },
    );
  });
  // Before anybody listens, an error of the stream is this promise's.
  stream.on('error', () => {});
  await begun;
  return { status: 200, stream, headers: { 'Content-Type': mediaType, Vary: 'Accept' } };
}
