import type { Clock } from '../core/clock.js';
import type { BundleDeps } from '../tasks/bundle.js';
import { withContent } from './binary.js';
import { COMPARTMENTS } from './capabilities.js';
import type { Handler } from './exchange.js';
import { idempotentHandler } from './idempotency.js';
import { type Decorate, instanceHistoryHandler, readHandler, vreadHandler } from './read.js';
import type { Route } from './router.js';
import { compartmentHandler, otherCompartmentHandler, type Search, searchHandler } from './search.js';
import { typeHistoryHandler } from './type-history.js';
import {
  conditionalDeleteHandler,
  conditionalPatchHandler,
  conditionalUpdateHandler,
  createHandler,
  deleteHandler,
  patchHandler,
  updateHandler,
} from './write.js';

export interface InteractionDeps {
  readonly clock: Clock;
  readonly bundles: BundleDeps;
  readonly search: Search;
  readonly decorate: Decorate;
  readonly multipleDelete: boolean;
  readonly parseInstant: (text: string) => { lo: number; hi: number };
  readonly capabilities: Handler;
  readonly batch: Handler;
  /** Operations of other rooms, as rows of their own. */
  readonly operations: readonly Route[];
}

/** The table of everything served under `/fhir/{tenant}`. */
export function interactionRoutes(deps: InteractionDeps): Route[] {
  const { bundles, search, decorate, multipleDelete } = deps;
  const { store } = bundles;
  const type = (code: string) => ({ kind: 'type', code }) as const;
  const system = (code: string) => ({ kind: 'system', code }) as const;
  const find = searchHandler(search, decorate);
  return [
    {
      method: 'GET',
      path: 'metadata',
      claim: { kind: 'metadata' },
      needs: 'open',
      handle: deps.capabilities,
    },
    ...deps.operations,

    {
      method: 'GET',
      path: ':type/:id',
      claim: type('read'),
      needs: 'r',
      handle: withContent(readHandler(store, decorate)),
    },
    {
      method: 'PUT',
      path: ':type/:id',
      claim: type('update'),
      needs: 'u',
      handle: updateHandler(bundles),
    },
    {
      method: 'PATCH',
      path: ':type/:id',
      claim: type('patch'),
      needs: 'u',
      handle: patchHandler(bundles),
    },
    {
      method: 'DELETE',
      path: ':type/:id',
      claim: type('delete'),
      needs: 'd',
      handle: deleteHandler(bundles),
    },

    {
      method: 'GET',
      path: ':type/:id/_history/:vid',
      claim: type('vread'),
      needs: 'r',
      handle: withContent(vreadHandler(store)),
    },
    {
      method: 'GET',
      path: ':type/:id/_history',
      claim: type('history-instance'),
      needs: 'r',
      handle: instanceHistoryHandler(store, deps.parseInstant),
    },

    {
      method: 'GET',
      path: ':type/_history',
      claim: type('history-type'),
      needs: 's',
      handle: typeHistoryHandler(deps.parseInstant),
    },
    {
      method: 'GET',
      path: '_history',
      claim: system('history-system'),
      needs: 'each',
      handle: typeHistoryHandler(deps.parseInstant),
    },

    { method: 'GET', path: ':type', claim: type('search-type'), needs: 's', handle: find },
    { method: 'POST', path: ':type/_search', claim: type('search-type'), needs: 's', handle: find },
    {
      method: 'POST',
      path: ':type',
      claim: type('create'),
      needs: 'c',
      handle: idempotentHandler(bundles, deps.clock, (within) => createHandler(within)),
    },
    {
      method: 'PUT',
      path: ':type',
      claim: type('update'),
      needs: 'u',
      handle: conditionalUpdateHandler(bundles),
    },
    {
      method: 'PATCH',
      path: ':type',
      claim: type('patch'),
      needs: 'u',
      handle: conditionalPatchHandler(bundles),
    },
    {
      method: 'DELETE',
      path: ':type',
      claim: type('delete'),
      needs: 'd',
      handle: conditionalDeleteHandler(bundles, multipleDelete),
    },

    ...COMPARTMENTS.flatMap((compartment): Route[] => {
      const route = {
        claim: system('search-system'),
        needs: 'each',
        handle: (compartment === 'Patient' ? compartmentHandler : otherCompartmentHandler)(search, decorate),
      } as const;
      const path = `${compartment}/:id/:member`;
      return [
        { method: 'GET', path, ...route },
        { method: 'POST', path: `${path}/_search`, ...route },
      ];
    }),
    { method: 'GET', path: '', claim: system('search-system'), needs: 'each', handle: find },
    { method: 'POST', path: '_search', claim: system('search-system'), needs: 'each', handle: find },
    { method: 'POST', path: '', claim: system('transaction'), needs: 'each', handle: deps.batch },
    { method: 'POST', path: '', claim: system('batch'), needs: 'each', handle: deps.batch },
  ];
}
