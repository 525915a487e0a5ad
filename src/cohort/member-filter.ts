import { invalid } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { type CohortDefinition, type Criteria, parseDefinition } from './definition.js';

/** Bulk Data Access: criteria on a Group itself (profile bulk-cohort-group). */
export const MEMBER_FILTER_URL = 'http://hl7.org/fhir/uv/bulkdata/StructureDefinition/member-filter';
const QUERY = 'application/x-fhir-query';

interface Filter {
  readonly url?: string;
  readonly valueExpression?: { readonly language?: string; readonly expression?: string };
}

/**
 * The definition that the member filters of a Group make: filters of one resource type are alternatives, those of
 * several types must all hold. A Group that lists no members is live. Undefined for a Group without filters.
 * @throws Fault `invalid` for a filter that is no FHIR search: leaving it out would widen the Group.
 */
export function memberFilters(group: Resource): CohortDefinition | undefined {
  const filters = (
    [group.modifierExtension, group.extension].flatMap((list) =>
      Array.isArray(list) ? list : [],
    ) as Filter[]
  ).filter(({ url }) => url === MEMBER_FILTER_URL);
  if (filters.length === 0) return undefined;
  const byType = new Map<string, Criteria[]>();
  for (const { valueExpression: { language, expression = '' } = {} } of filters) {
    if (language !== QUERY)
      throw invalid(
        'A member filter of the Group is in a language that is not understood.',
        'Group.modifierExtension',
        `Write it as ${QUERY}.`,
      );
    const search = expression.replace(/^\/+/, '');
    const type = search.split('?', 1)[0]!;
    byType.set(type, [...(byType.get(type) ?? []), { search }]);
  }
  const all = [...byType.values()].map((any): Criteria => (any.length === 1 ? any[0]! : { or: any }));
  return parseDefinition({
    name:
      typeof group.name === 'string' && group.name.trim() !== ''
        ? group.name.slice(0, 200)
        : `Group/${group.id}`,
    criteria: all.length === 1 ? all[0] : { and: all },
    mode: Array.isArray(group.member) && group.member.length > 0 ? 'snapshot' : 'live',
  });
}
