import type { Cohorts } from '../cohort/cohort.js';
import { compareCohorts, parseComparison } from '../cohort/compare.js';
import type { Clock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import type { Store } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';
import { type FhirRequest, type Handler, locationOf, oneParam, versionOf } from './exchange.js';
import type { Route } from './router.js';

/**
 * `POST Group/$cohort`: finds the patients of a definition and keeps it as a Group. `replace=true` makes a cohort of
 * that name anew.
 */
export function cohortRoute(cohorts: Cohorts): Route {
  const handle: Handler = async (request) => {
    // Criteria are searches over any type: who may not search all could find out what is hidden by them.
    if (!request.access.allowsAll('s')) {
      throw new Fault('forbidden', 'Making a cohort needs the right to search every type.', {
        remedy: 'Ask for a scope such as system/*.s together with system/Group.c.',
      });
    }
    const { json } = await request.body(['json']);
    const { group } = await cohorts.create(request.tenant, json, {
      actor: request.actor,
      base: request.base,
      replace: oneParam(request, 'replace') === 'true',
    });
    const version = versionOf(group);
    return {
      status: version === 1 ? 201 : 200,
      resource: group,
      version,
      lastUpdated: Date.parse(group.meta.lastUpdated),
      location: locationOf(request.base, 'Group', group.id, version),
      written: true,
    };
  };
  return {
    method: 'POST',
    path: 'Group/$cohort',
    claim: {
      kind: 'operation',
      name: 'cohort',
      definition: 'https://cenote.health/fhir/OperationDefinition/group-cohort',
      type: 'Group',
    },
    needs: 'c',
    handle,
  };
}

/**
 * `POST Group/$cohort-preview`: how many patients a definition means, and each of its criteria, without storing it.
 * `POST Group/$cohort-compare`: sizes, overlap, ages, treatments, a value over time and outcomes of several cohorts.
 */
export function cohortRoutes(deps: {
  readonly cohorts: Cohorts;
  readonly store: Store;
  readonly clock: Clock;
  readonly baseOf: (tenant: Tenant) => string;
}): Route[] {
  const { cohorts, store, clock, baseOf } = deps;
  const operation = (name: string, handle: Handler): Route => ({
    method: 'POST',
    path: `Group/$${name}`,
    claim: {
      kind: 'operation',
      name,
      definition: `https://cenote.health/fhir/OperationDefinition/group-${name}`,
      type: 'Group',
    },
    needs: 'each',
    handle,
  });
  return [
    cohortRoute(cohorts),
    operation('cohort-preview', async (request) => {
      requireAll(request, 's');
      const { json } = await request.body(['json']);
      return { status: 200, json: await cohorts.preview(request.tenant, json, baseOf(request.tenant)) };
    }),
    operation('cohort-compare', async (request) => {
      requireAll(request, 's');
      requireAll(request, 'r');
      const { json } = await request.body(['json']);
      const parts = { cohorts, store, now: clock.now() };
      const comparison = parseComparison(json);
      return {
        status: 200,
        json: await compareCohorts(parts, request.tenant, comparison, baseOf(request.tenant)),
      };
    }),
  ];
}

/** Criteria are searches over any type: who may not search all could find out what is hidden by them. */
function requireAll({ access }: FhirRequest, permission: 'r' | 's'): void {
  if (access.allowsAll(permission)) return;
  throw new Fault('forbidden', 'Cohorts need the right to search and read every type.', {
    remedy: 'Ask for a scope such as system/*.rs.',
  });
}
