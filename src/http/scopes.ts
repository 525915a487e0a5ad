import { isResourceType } from '../fhir/resource-types.js';
import type { AccessGrant } from '../search/visibility.js';
import { parseScope } from '../tenancy/scope.js';

/** What may be done to a type, in the letters of SMART App Launch 2.2: create, read, update, delete, search. */
export type Permission = 'c' | 'r' | 'u' | 'd' | 's';

export interface Access {
  /** Of some resources of the type at least; which they are the narrowed tenant decides (`grants`). */
  allows(type: string, permission: Permission): boolean;
  /** True where every resource of every type, now and in future, is allowed it. */
  allowsAll(permission: Permission): boolean;
  /** True where every type is allowed it, of each perhaps some resources only. */
  allowsEachType(permission: Permission): boolean;
  /** What the caller sees and may change; undefined for everything. */
  readonly grants: readonly AccessGrant[] | undefined;
}

/** `--dev`: no token, everything of the tenant. */
export const FULL_ACCESS: Access = {
  allows: () => true,
  allowsAll: () => true,
  allowsEachType: () => true,
  grants: undefined,
};

/** Whether a scope is of a type there is; one of another is refused when it is asked for, as it could grant nothing. */
export function namesType(scope: string): boolean {
  const type = parseScope(scope)?.type;
  return type === undefined || type === '*' || isResourceType(type);
}

const LETTERS = 'cruds';
const MAX_SCOPES = 500;

/**
 * Reads a token's scopes. Deny by default: a scope that is not understood grants nothing, nor does a `patient/` scope
 * without a patient.
 */
export function accessOf(scope: string, patient?: string, fhirUser?: string): Access {
  const grants: AccessGrant[] = [];
  for (const text of scope.split(' ').slice(0, MAX_SCOPES)) {
    const found = parseScope(text);
    if (!found || (found.context === 'patient' && patient === undefined)) continue;
    const { type, letters, query } = found;
    grants.push({
      type,
      letters,
      ...(found.context === 'patient' ? { patient } : {}),
      ...(query === undefined ? {} : { query }),
    });
  }
  // SMART App Launch 2.2, "Scopes for requesting identity data": fhirUser lets an app read who its user is.
  const [type, id] = scope.split(' ').includes('fhirUser') ? (fhirUser?.split('/') ?? []) : [];
  if (type !== undefined && id !== undefined) grants.push({ type, letters: 'r', query: `_id=${id}` });
  const whole = (g: AccessGrant) => g.type === '*' && g.patient === undefined && g.query === undefined;
  const allowsAll = (letter: string) => grants.some((g) => whole(g) && g.letters.includes(letter));
  return {
    allows: (type, permission) =>
      grants.some((g) => (g.type === '*' || g.type === type) && g.letters.includes(permission)),
    allowsAll,
    allowsEachType: (permission) => grants.some((g) => g.type === '*' && g.letters.includes(permission)),
    grants: [...LETTERS].every(allowsAll) ? undefined : grants,
  };
}

/**
 * Whether a caller may read all that another token, with these grants (none: everything), could read of the types: what was
 * taken out under one token is not handed to a lesser one of the same holder.
 */
export function readsAllOf(
  { grants: own }: Access,
  types: readonly string[],
  grants: readonly AccessGrant[] | undefined,
): boolean {
  if (own === undefined) return true;
  const reading = (all: readonly AccessGrant[], type: string) =>
    all.filter((g) => (g.type === type || g.type === '*') && g.letters.includes('r'));
  return types.every((type) => {
    const have = reading(own, type);
    const needed = grants ? reading(grants, type) : [{ type, letters: 'r' } as AccessGrant];
    return needed.every(({ patient, query }) =>
      have.some(
        (g) =>
          (g.patient === undefined || g.patient === patient) && (g.query === undefined || g.query === query),
      ),
    );
  });
}
