/**
 * The grammar of SMART scopes (SMART App Launch 2.2, "Scopes and Launch Context"): resource scopes of v2 and v1, and what
 * is granted when a client asks for some and is registered for others.
 */

export type ScopeContext = 'patient' | 'user' | 'system';

export interface ResourceScope {
  readonly context: ScopeContext;
  /** A resource type, or `*`. */
  readonly type: string;
  /** A non-empty part of `cruds`, in this order. */
  readonly letters: string;
  /** Search parameters that narrow it, as they stand after the `?`. */
  readonly query: string | undefined;
  /** Written the way of v1: `.read`, `.write`, `.*`. */
  readonly v1: boolean;
}

/** The letters of v2 stand in this order and at least one is there; `.rw` or `.sr` is no scope. */
const SCOPE =
  /^(patient|user|system)\/([A-Z][A-Za-z]{1,63}|\*)\.(?:(read|write|\*)|((?=[cruds])c?r?u?d?s?))(?:\?([^\s"\\]{1,500}))?$/;
const V1_LETTERS: Readonly<Record<string, string>> = { read: 'rs', write: 'cud', '*': 'cruds' };
const ALL_LETTERS = 'cruds';

/** Scopes that say nothing about resources. */
export const OTHER_SCOPES: ReadonlySet<string> = new Set([
  'launch',
  'launch/patient',
  'launch/encounter',
  'openid',
  'fhirUser',
  'profile',
  'offline_access',
  'online_access',
]);

/** Types that stand for a user (SMART App Launch 2.2, "fhirUser"). */
const USER = /^(?:Patient|Practitioner|PractitionerRole|RelatedPerson|Person)\/[A-Za-z0-9\-.]{1,64}$/;

/** Whether the text is a relative reference to what can stand for a user. */
export const isUserReference = (text: unknown): text is string => typeof text === 'string' && USER.test(text);

/** @returns undefined for what is no resource scope: it grants nothing. */
export function parseScope(text: string): ResourceScope | undefined {
  const found = SCOPE.exec(text);
  if (!found) return undefined;
  const [, context, type, v1, v2, query] = found;
  // v1 knows no search parameters.
  if (v1 !== undefined && query !== undefined) return undefined;
  return {
    context: context as ScopeContext,
    type: type!,
    letters: v1 === undefined ? v2! : V1_LETTERS[v1]!,
    query,
    v1: v1 !== undefined,
  };
}

export function printScope({ context, type, letters, query, v1 }: ResourceScope): string {
  const old = v1 ? Object.entries(V1_LETTERS).find(([, of]) => of === letters)?.[0] : undefined;
  return `${context}/${type}.${old ?? letters}${query === undefined ? '' : `?${query}`}`;
}

/**
 * What both scopes permit; undefined where nothing is. A narrowed scope stays narrowed, and two narrowings hold together
 * (parameters are AND'ed).
 */
export function intersect(asked: ResourceScope, allowed: ResourceScope): ResourceScope | undefined {
  if (asked.context !== allowed.context) return undefined;
  const type =
    asked.type === '*'
      ? allowed.type
      : allowed.type === '*' || allowed.type === asked.type
        ? asked.type
        : undefined;
  const letters = [...ALL_LETTERS].filter((l) => asked.letters.includes(l) && allowed.letters.includes(l));
  if (type === undefined || letters.length === 0) return undefined;
  const queries = [...new Set([asked.query, allowed.query].filter((q) => q !== undefined))];
  return {
    context: asked.context,
    type,
    letters: letters.join(''),
    query: queries.length === 0 ? undefined : queries.join('&'),
    v1: asked.v1,
  };
}

/**
 * The scopes granted to who asks for `asked` and may have at most `allowed` (both as texts, separated by spaces): what
 * both have. Never more than either; what is no scope is left out.
 */
export function grantedScopes(asked: string, allowed: string): string[] {
  const split = (text: string) => text.split(' ').filter((s) => s !== '');
  const most = split(allowed);
  const granted = new Set<string>();
  for (const text of split(asked)) {
    if (OTHER_SCOPES.has(text)) {
      if (most.includes(text)) granted.add(text);
      continue;
    }
    const scope = parseScope(text);
    if (!scope) continue;
    for (const other of most) {
      const limit = parseScope(other);
      const both = limit && intersect(scope, limit);
      if (both) granted.add(printScope(both));
    }
  }
  return [...granted];
}

/** Whether the text is a resource scope or one of the others that are known here. */
export function isScope(text: string): boolean {
  return OTHER_SCOPES.has(text) || parseScope(text) !== undefined;
}
