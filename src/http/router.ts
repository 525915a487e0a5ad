import { isFhirId } from '../core/ids.js';
import { isResourceType } from '../fhir/resource-types.js';
import type { Handler } from './exchange.js';
import { HttpFault } from './outcome.js';
import type { Permission } from './scopes.js';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** What the CapabilityStatement says of a route. */
export type Claim =
  | { readonly kind: 'metadata' }
  /** An interaction on every type: code of R4 `type-restful-interaction`. */
  | { readonly kind: 'type'; readonly code: string }
  /** An interaction of the whole system: code of R4 `system-restful-interaction`. */
  | { readonly kind: 'system'; readonly code: string }
  | {
      readonly kind: 'operation';
      readonly name: string;
      readonly definition: string;
      readonly type?: string;
    };

/**
 * One row of the interface: what is served is what is claimed and what is authorised, as all three are read from
 * here. `path` is relative to `/fhir/{tenant}`; `:type`, `:id` and `:vid` match a resource type, an id, a version id, and
 * `:member` a type of a compartment or `*`, `:file` the name of an exported file.
 */
export interface Route {
  readonly method: Method;
  readonly path: string;
  readonly claim: Claim;
  /**
   * What a token must permit on the type in the path. `all`: the same on every type. `each`: the handler checks
   * what it touches. `open`: no token is asked for.
   */
  readonly needs: Permission | 'each' | 'open' | { readonly all: Permission };
  /**
   * Asked again and again by who waits, for an answer that holds nothing of a record: the log has one row of a caller, a
   * job and an outcome in an hour.
   */
  readonly polled?: boolean;
  /** Longer than other requests may take, in ms: what waits for an upload. */
  readonly timeoutMs?: number;
  readonly handle: Handler;
}

export interface Matched {
  readonly route: Route;
  readonly at: Readonly<Record<string, string>>;
}

interface Compiled {
  readonly route: Route;
  readonly segments: readonly string[];
}

export interface Router {
  readonly routes: readonly Route[];
  /** @throws HttpFault 404 for a path that is none, 405 for a method it has not. */
  match(method: string, path: string): Matched;
}

const MAX_PATH_CHARS = 300;

export function createRouter(routes: readonly Route[]): Router {
  const byLength = new Map<number, Compiled[]>();
  for (const route of routes) {
    const segments = split(route.path);
    const list = byLength.get(segments.length) ?? [];
    list.push({ route, segments });
    byLength.set(segments.length, list);
  }
  return {
    routes,
    match(method, path) {
      if (path.length > MAX_PATH_CHARS) throw notFound();
      const given = split(path);
      const wanted = method === 'HEAD' ? 'GET' : method;
      const allowed = new Set<string>();
      for (const { route, segments } of byLength.get(given.length) ?? []) {
        const at = align(segments, given);
        if (!at) continue;
        if (route.method === wanted) return { route, at };
        allowed.add(route.method);
        if (route.method === 'GET') allowed.add('HEAD');
      }
      if (allowed.size > 0) {
        throw new HttpFault(405, 'This method is not served at this address.', {
          remedy: `Use ${[...allowed].sort().join(', ')}.`,
          headers: { Allow: [...allowed].sort().join(', ') },
        });
      }
      const [type = '', id = '', ...more] = given;
      // R4 http.html#update: what cannot be an id is told as such, not as an address that does not exist.
      if (wanted === 'PUT' && more.length === 0 && isResourceType(type) && !isFhirId(id)) {
        throw new HttpFault(400, 'The id in the address is none that R4 allows.', {
          at: `${type}.id`,
          issueCode: 'value',
          remedy: 'Use 1 to 64 letters, digits, hyphens and dots.',
        });
      }
      throw notFound();
    },
  };
}

function notFound(): HttpFault {
  return new HttpFault(404, 'There is nothing at this address.', {
    issueCode: 'not-found',
    remedy:
      'Check the resource type and id; resource types are case-sensitive. GET metadata lists what is served.',
  });
}

/** Segments as sent: nothing of ours needs an escape, so an escaped segment matches nothing (no `Patient%2F1`). */
function split(path: string): string[] {
  if (path === '' || path === '/') return [];
  const text = path.startsWith('/') ? path.slice(1) : path;
  return (text.endsWith('/') ? text.slice(0, -1) : text).split('/');
}

function align(segments: readonly string[], given: readonly string[]): Record<string, string> | undefined {
  const at: Record<string, string> = {};
  for (let i = 0; i < segments.length; i++) {
    const segment = segments[i]!;
    const value = given[i]!;
    if (segment === ':type') {
      if (!isResourceType(value)) return undefined;
      at.type = value;
    } else if (segment === ':member') {
      if (value !== '*' && !isResourceType(value)) return undefined;
      at.member = value;
    } else if (segment === ':id' || segment === ':vid' || segment === ':file') {
      if (!isFhirId(value)) return undefined;
      at[segment.slice(1)] = value;
    } else if (segment !== value) return undefined;
  }
  // A literal type in the pattern is the route's type.
  if (at.type === undefined && segments.length > 0 && isResourceType(segments[0]!)) at.type = segments[0]!;
  return at;
}
