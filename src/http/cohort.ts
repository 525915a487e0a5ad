import type { Cohorts } from '../cohort/cohort.js';
import { Fault } from '../core/fault.js';
import { type Handler, locationOf, oneParam, versionOf } from './exchange.js';
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

/** What is served of cohorts. */
export function cohortRoutes(cohorts: Cohorts): Route[] {
  return [cohortRoute(cohorts)];
}
