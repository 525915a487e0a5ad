/** The public FHIR API, as the page uses it. */

export interface Session {
  readonly tenant: string;
  /** Bearer token; empty in development mode. */
  readonly token: string;
}

export interface Coding {
  system?: string;
  code?: string;
  display?: string;
}
export interface Concept {
  coding?: Coding[];
  text?: string;
}
export interface Extension {
  url: string;
  extension?: Extension[];
  [value: string]: unknown;
}
export interface Resource {
  resourceType: string;
  id: string;
  meta?: { versionId?: string; lastUpdated?: string; tag?: Coding[] };
  extension?: Extension[];
  // The page reads many types; each view looks only at what it shows.
  // biome-ignore lint/suspicious/noExplicitAny: resources are JSON of 148 types
  [element: string]: any;
}
export interface Bundle {
  total?: number;
  link?: { relation: string; url: string }[];
  entry?: { resource: Resource; extension?: Extension[]; search?: { mode?: string } }[];
}

/** What the server refused, in its own words. */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const KEY = 'cenote-session';

export function loadSession(): Session {
  try {
    const saved = JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as Session | null;
    if (saved) return saved;
  } catch {
    // A damaged entry is as good as none.
  }
  return { tenant: 'demo', token: '' };
}

export function saveSession(session: Session): void {
  sessionStorage.setItem(KEY, JSON.stringify(session));
}

let current: Session = loadSession();
export function useSession(session: Session): void {
  current = session;
  saveSession(session);
}
export const session = (): Session => current;

interface Options {
  method?: string;
  body?: unknown;
  signal?: AbortSignal;
}

/** A request below the tenant's base, or to a link the server gave. */
export async function request<T = Resource>(
  path: string,
  { method = 'GET', body, signal }: Options = {},
): Promise<T> {
  const url = path.startsWith('http')
    ? sameOrigin(path)
    : `/fhir/${encodeURIComponent(current.tenant)}/${path}`;
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      signal,
      headers: {
        accept: 'application/fhir+json',
        ...(body === undefined ? {} : { 'content-type': 'application/fhir+json' }),
        ...(current.token ? { authorization: `Bearer ${current.token}` } : {}),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, 'The server cannot be reached. Check that it runs, then try again.');
  }
  const text = await response.text();
  const json = text
    ? (JSON.parse(text) as T & { issue?: { diagnostics?: string; details?: Concept }[] })
    : undefined;
  if (!response.ok) {
    const issue = json?.issue?.[0];
    throw new ApiError(
      response.status,
      issue?.diagnostics ?? issue?.details?.text ?? `The server answered ${response.status}.`,
    );
  }
  return json as T;
}

/** Links name the server as others reach it; the page asks its own origin. */
function sameOrigin(link: string): string {
  const url = new URL(link);
  return url.pathname + url.search;
}

export function nextLink(bundle: Bundle): string | undefined {
  return bundle.link?.find((l) => l.relation === 'next')?.url;
}

export function resources(bundle: Bundle): Resource[] {
  return (bundle.entry ?? []).filter((e) => e.search?.mode !== 'outcome').map((e) => e.resource);
}

export function extension(of: { extension?: Extension[] }, name: string): Extension | undefined {
  return of.extension?.find((e) => e.url === name || e.url.endsWith(`/${name}`));
}
