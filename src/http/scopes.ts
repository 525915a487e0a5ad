/** What may be done to a type, in the letters of SMART App Launch 2.2: create, read, update, delete, search. */
export type Permission = 'c' | 'r' | 'u' | 'd' | 's';

export interface Access {
  allows(type: string, permission: Permission): boolean;
  /** True where every type, now and in future, is allowed it: system-level search, history and operations. */
  allowsAll(permission: Permission): boolean;
}

/** `--dev`: no token, everything of the tenant. */
export const FULL_ACCESS: Access = { allows: () => true, allowsAll: () => true };

/** The letters of v2 stand in this order and at least one is there; `.rw` or `.sr` is no scope. */
const V2 = /^(system|user)\/([A-Z][A-Za-z]+|\*)\.(c?r?u?d?s?)$/;
const V1 = /^(system|user)\/([A-Z][A-Za-z]+|\*)\.(read|write|\*)$/;
const V1_LETTERS: Readonly<Record<string, string>> = { read: 'rs', write: 'cud', '*': 'cruds' };

/**
 * Reads a token's scopes. Deny by default: a scope that is not understood grants nothing. `patient/` scopes
 * and scopes narrowed by a query grant nothing either, as granting them whole would widen them.
 */
export function accessOf(scope: string): Access {
  const byType = new Map<string, Set<string>>();
  for (const part of scope.split(' ').slice(0, MAX_SCOPES)) {
    const v1 = V1.exec(part);
    const v2 = v1 ? null : V2.exec(part);
    const type = v1?.[2] ?? v2?.[2];
    const letters = v1 ? V1_LETTERS[v1[3]!]! : (v2?.[3] ?? '');
    if (type === undefined) continue;
    const have = byType.get(type) ?? new Set();
    for (const letter of letters) have.add(letter);
    byType.set(type, have);
  }
  const any = byType.get('*');
  return {
    allows: (type, permission) => any?.has(permission) === true || byType.get(type)?.has(permission) === true,
    allowsAll: (permission) => any?.has(permission) === true,
  };
}

const MAX_SCOPES = 500;
