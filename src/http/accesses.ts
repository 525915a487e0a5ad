import { patientsOf } from '../fhir/compartment.js';
import { type Access, MAX_NAMED_PATIENTS, MAX_NAMED_RESOURCES } from '../store/audit.js';
import type { Actor } from '../store/contract.js';
import type { FhirResponse } from './exchange.js';
import type { Pair } from './negotiate.js';
import { asFault, statusOf } from './outcome.js';

export interface AccessRequest {
  readonly actor: Actor;
  readonly at: number;
  readonly interaction: string;
  /** Segments of the route. */
  readonly place: Readonly<Record<string, string>>;
  readonly params: readonly Pair[];
  readonly emergency?: string | undefined;
}

/**
 * Writes whose own transaction tells of them, when it took place: the audit row is committed with what it is about.
 * Everything else that a caller is told, or refused, is told of here.
 */
const TOLD_BY_THE_STORE: Readonly<Record<string, readonly number[]>> = {
  create: [201],
  update: [200, 201],
  delete: [200, 204],
  $erase: [200],
};

/** What the log says of an answer; undefined where the store's own row says it. */
export function accessOfAnswer(request: AccessRequest, answer: FhirResponse): Access | undefined {
  // A deletion that found nothing wrote nothing: it is an access like any other that was in vain.
  const inVain = request.interaction === 'delete' && answer.version === undefined;
  if (
    TOLD_BY_THE_STORE[request.interaction]?.includes(answer.status) &&
    !inVain &&
    request.emergency === undefined
  )
    return undefined;
  const named: [string, string, string?][] = [];
  const patients = new Set<string>();
  let count = answer.gives?.count ?? 0;
  for (const patient of answer.gives?.patients ?? []) patients.add(patient);
  for (const resource of resourcesOf(answer)) {
    const { resourceType: type, id, meta } = resource;
    if (typeof type !== 'string' || type === 'OperationOutcome') continue;
    count++;
    for (const patient of patientsOf(resource as Parameters<typeof patientsOf>[0])) patients.add(patient);
    if (typeof id !== 'string' || named.length >= MAX_NAMED_RESOURCES) continue;
    named.push(meta?.versionId === undefined ? [type, id] : [type, id, meta.versionId]);
  }
  const shared = common(request, answer.status);
  return {
    ...shared,
    ...(answer.resource?.type === 'batch-response' ? { interaction: 'batch' } : {}),
    resources: named.length > 0 ? named : (shared.resources ?? []),
    patients: [...patients].slice(0, MAX_NAMED_PATIENTS),
    patientCount: patients.size,
    count,
  };
}

/** What the log says of a request that failed. */
export function accessOfFailure(request: AccessRequest, error: unknown): Access {
  return common(request, statusOf(asFault(error)));
}

function common(request: AccessRequest, status: number): Access {
  const { actor, at, interaction, place, params, emergency } = request;
  // A cursor is sealed and long, and says nothing that the query before it did not.
  const query = params.filter(([name]) => name !== '_cursor');
  const { type, id } = place;
  return {
    actor,
    at,
    interaction,
    status,
    ...(type === undefined ? {} : { type }),
    ...(query.length === 0
      ? {}
      : { query: String(new URLSearchParams(query.map(([n, v]): [string, string] => [n, v]))) }),
    // What was asked for and not given, or not there to be deleted.
    ...(type !== undefined && id !== undefined && (status >= 400 || interaction === 'delete')
      ? { resources: [[type, id]] }
      : {}),
    ...(emergency === undefined ? {} : { emergency }),
  };
}

interface Given {
  readonly resourceType?: unknown;
  readonly id?: unknown;
  readonly meta?: { readonly versionId?: string };
  readonly entry?: readonly { readonly resource?: Given }[];
  readonly parameter?: readonly { readonly resource?: Given }[];
}

/** The records in an answer: of a Bundle or Parameters those inside, however deep, and not the wrapping. */
function* resourcesOf({ resource }: FhirResponse): Generator<Given> {
  if (resource) yield* within(resource as Given);
}

function* within(given: Given): Generator<Given> {
  const inner =
    given.resourceType === 'Bundle' && given.id === undefined
      ? given.entry
      : given.resourceType === 'Parameters'
        ? given.parameter
        : undefined;
  if (!inner) yield given;
  else for (const { resource } of inner) if (resource) yield* within(resource);
}
