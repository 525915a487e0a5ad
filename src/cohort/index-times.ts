import { invalid } from '../core/fault.js';
import { clinicalTime } from '../fhir/clinical-time.js';
import { patientsOf } from '../fhir/compartment.js';
import { MIN_MS } from '../fhir/dates.js';
import { isResourceType } from '../fhir/resource-types.js';
import type { Search } from '../search/search.js';
import type { Tenant } from '../tenancy/tenant.js';

const DAY_MS = 86_400_000;

/**
 * When each patient first had what a search (`Condition?code=…`) finds, in ms: the end of the earliest day, so that
 * what happened on the day itself had happened. Patients without a dated match are left out.
 */
export async function indexTimes(
  search: Search,
  tenant: Tenant,
  criteria: string,
  base: string,
): Promise<Map<string, number>> {
  const mark = criteria.indexOf('?');
  const type = criteria.slice(0, Math.max(mark, 0));
  const params = [...new URLSearchParams(criteria.slice(mark + 1))] as [string, string][];
  if (!isResourceType(type) || params.length === 0)
    throw invalid('Not a search such as Condition?code=….', 'index');
  const found = new Map<string, number>();
  for await (const batch of search.stream(tenant, { type, params, strict: true, base })) {
    for (const resource of batch) {
      const when = clinicalTime(resource);
      if (!when || when.lo === MIN_MS) continue;
      // Of a period its start; of a date its day, of a month or a year the first: nothing later may be seen.
      const end = when.element.endsWith('Period') ? when.lo : Math.min(when.hi, when.lo + DAY_MS - 1);
      for (const patient of patientsOf(resource, base))
        found.set(patient, Math.min(found.get(patient) ?? Number.POSITIVE_INFINITY, end));
    }
  }
  return found;
}
