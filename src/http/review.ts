import type { Clock } from '../core/clock.js';
import { invalid } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import type { Store } from '../store/contract.js';
import { type Check, isObject, within } from '../tasks/bundle-entry.js';
import { DECISIONS, type Decision, type Review, reviewFact } from '../tasks/review.js';
import { type Handler, ifMatchVersion, segment } from './exchange.js';
import type { Route } from './router.js';

/**
 * `POST {type}/{id}/$review`: a person's decision on a derived fact. Body: Parameters with `decision` (confirmed,
 * corrected, rejected), `resource` with a correction, `comment`, `reviewer`; or the same names in a plain object.
 */
export function reviewRoute(deps: { store: Store; clock: Clock }, check: Check): Route {
  const handle: Handler = async (request) => {
    const { json } = await request.body(['json']);
    const type = segment(request, 'type');
    const review = reviewOf(json, type, check);
    const result = await reviewFact(
      deps,
      request.tenant,
      type,
      segment(request, 'id'),
      review,
      request.actor,
      ifMatchVersion(request.headers),
    );
    return {
      status: 200,
      resource: result.resource,
      version: result.version,
      lastUpdated: result.lastUpdated,
      written: true,
    };
  };
  return {
    method: 'POST',
    path: ':type/:id/$review',
    claim: {
      kind: 'operation',
      name: 'review',
      definition: 'https://cenote.health/fhir/OperationDefinition/fact-review',
    },
    needs: 'u',
    handle,
  };
}

function reviewOf(json: unknown, type: string, check: Check): Review {
  if (!isObject(json))
    throw invalid('The body is not an object.', undefined, 'Send {"decision": "confirmed"}.');
  const values: Record<string, unknown> = json.resourceType === 'Parameters' ? fromParameters(json) : json;
  const decision = values.decision;
  if (!DECISIONS.includes(decision as Decision)) {
    throw invalid('The decision is none.', 'decision', `It is one of ${DECISIONS.join(', ')}.`);
  }
  const resource: Resource | undefined =
    values.resource === undefined ? undefined : within('resource', () => check(values.resource, type));
  return {
    decision: decision as Decision,
    resource,
    comment: text(values.comment, 'comment'),
    reviewer: text(values.reviewer, 'reviewer'),
  };
}

function fromParameters(json: Record<string, unknown>): Record<string, unknown> {
  const list = Array.isArray(json.parameter) ? json.parameter.filter(isObject) : [];
  return Object.fromEntries(
    list.map((item) => [
      String(item.name),
      item.resource ?? item.valueString ?? item.valueCode ?? item.valueMarkdown,
    ]),
  );
}

function text(value: unknown, at: string): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  throw invalid('The value is not a text.', at);
}
