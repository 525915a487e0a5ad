import { Fault, invalid } from '../core/fault.js';
import { isResourceType, RESOURCE_TYPES, typeNumber } from '../fhir/resource-types.js';
import { openCursor, sealCursor } from '../search/cursor.js';
import { countTypeHistory, type HistoryPosition, typeHistory } from '../store/type-history.js';
import { type FhirRequest, type Handler, oneParam } from './exchange.js';
import type { Pair } from './negotiate.js';
import { counts, historyEntries, parseCount, periodOf } from './read.js';

const OWN_PARAMS = new Set(['_since', '_at', '_count', '_type', '_summary', '_elements']);

/** R4 http.html#history of a type and of the whole system; `_type` narrows the latter. Paged by sealed cursors. */
export function typeHistoryHandler(parseInstant: (text: string) => { lo: number; hi: number }): Handler {
  return async (request) => {
    const { tenant, base, at, actor } = request;
    const scope = { kind: 'history', type: at.type, compartment: undefined, caller: actor.id };
    const link = oneParam(request, '_cursor');
    const cursor = link === undefined ? undefined : openCursor(tenant.keys, scope, link);
    const params = cursor ? cursor.params : request.params.filter(([name]) => OWN_PARAMS.has(name));
    const value = (name: string) => params.find(([key]) => key === name)?.[1];
    const since = value('_since');
    const moment = value('_at');
    const wanted = {
      rtypes: typesOf(request, params).map(typeNumber),
      sinceMs: since === undefined ? undefined : parseInstant(since).lo,
      ...periodOf(moment, parseInstant),
    };
    const counted = counts(params) ? await countTypeHistory(tenant, wanted) : undefined;
    const { versions, next } =
      counted === undefined
        ? await typeHistory(tenant, {
            ...wanted,
            count: parseCount(value('_count')),
            after: cursor?.position.keys as HistoryPosition | undefined,
          })
        : { versions: [], next: undefined };
    const here = `${base}/${at.type === undefined ? '' : `${at.type}/`}_history`;
    const self = new URLSearchParams(
      request.params
        .filter(([name]) => OWN_PARAMS.has(name) || name === '_cursor')
        .map(([n, v]): [string, string] => [n, v]),
    );
    const links = [{ relation: 'self', url: self.size === 0 ? here : `${here}?${self}` }];
    if (next) {
      const sealed = sealCursor(tenant.keys, scope, { params, position: { phase: 0, keys: next } });
      links.push({ relation: 'next', url: `${here}?_cursor=${sealed}` });
    }
    return {
      status: 200,
      resource: {
        resourceType: 'Bundle',
        type: 'history',
        ...(counted === undefined ? {} : { total: counted }),
        link: links,
        ...historyEntries({ base, params }, versions),
      },
    };
  };
}

/** The types whose history is asked for; each must be one the caller may search (SMART: `s` covers it). */
function typesOf({ at, access }: FhirRequest, params: readonly Pair[]): readonly string[] {
  if (at.type !== undefined) return [at.type];
  const named = params
    .filter(([name]) => name === '_type')
    .flatMap(([, text]) => text.split(','))
    .filter((t) => t !== '');
  if (named.some((type) => !isResourceType(type))) {
    throw invalid('No FHIR R4 resource type.', '_type', 'Name types such as Patient,Condition.');
  }
  const types = named.length > 0 ? [...new Set(named)] : RESOURCE_TYPES;
  if (
    !access.allowsEachType('s') &&
    (named.length === 0 || !types.every((type) => access.allows(type, 's')))
  ) {
    throw new Fault('forbidden', 'The token does not permit the history of these types.', {
      at: '_type',
      remedy: 'Name in _type only types that the token may search.',
    });
  }
  return types;
}
