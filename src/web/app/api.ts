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

/** Told when the server asks for a token, or for a better one: the shell then shows the sign-in. */
export const SIGN_IN_NEEDED = 'cenote-sign-in-needed';

interface Options {
  method?: string;
  body?: unknown;
  signal?: AbortSignal;
}

/** The answer in full, for who needs more of it than its JSON. */
export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly json: T;
}

/** A request below the tenant's base, or to a link the server gave. */
export async function request<T = Resource>(path: string, options: Options = {}): Promise<T> {
  const url = path.startsWith('http')
    ? sameOrigin(path)
    : `/fhir/${encodeURIComponent(current.tenant)}/${path}`;
  const asked = current;
  try {
    return (await send<T>(url, { ...options, token: asked.token, type: 'application/fhir+json' })).json;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401 && asked === current)
      dispatchEvent(new CustomEvent(SIGN_IN_NEEDED, { detail: error.message }));
    throw error;
  }
}

/** @throws ApiError with the server's own words; status 0 where the server cannot be reached */
export async function send<T>(
  url: string,
  { method = 'GET', body, signal, token, type }: Options & { token: string; type: string },
): Promise<Answer<T>> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method,
      signal,
      headers: {
        accept: type,
        ...(body === undefined ? {} : { 'content-type': type }),
        ...(token ? { authorization: `Bearer ${token}` } : {}),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw unreachable();
  }
  const json = parsed<T>(text);
  if (!response.ok) throw refusalOf(response.status, json as Refusal | undefined);
  return { status: response.status, headers: response.headers, json: json as T };
}

/**
 * Reads an answer of one JSON value a line as it comes; `take` is given what came together.
 * @throws ApiError as `request` does
 */
export async function lines<T>(
  path: string,
  { signal }: Pick<Options, 'signal'>,
  take: (values: T[]) => void,
): Promise<void> {
  const asked = current;
  const url = `/fhir/${encodeURIComponent(asked.tenant)}/${path}`;
  let rest = '';
  try {
    const response = await fetch(url, {
      ...(signal ? { signal } : {}),
      headers: asked.token ? { authorization: `Bearer ${asked.token}` } : {},
    });
    if (!response.ok) throw refusalOf(response.status, parsed(await response.text()));
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      const text = rest + piece.value;
      const end = text.lastIndexOf('\n') + 1;
      rest = text.slice(end);
      const whole = text.slice(0, end).split('\n').filter(Boolean);
      if (whole.length > 0) take(JSON.parse(`[${whole.join(',')}]`) as T[]);
    }
  } catch (error) {
    if (signal?.aborted) throw error;
    if (error instanceof ApiError) {
      if (error.status === 401 && asked === current)
        dispatchEvent(new CustomEvent(SIGN_IN_NEEDED, { detail: error.message }));
      throw error;
    }
    throw unreachable();
  }
}

function unreachable(): ApiError {
  return new ApiError(
    0,
    navigator.onLine
      ? 'The server cannot be reached. Check that it runs, then try again.'
      : 'This computer is offline. Try again when it has a network.',
  );
}

function refusalOf(status: number, json: Refusal | undefined): ApiError {
  const issue = json?.issue?.[0];
  return new ApiError(status, issue?.diagnostics ?? issue?.details?.text ?? `The server answered ${status}.`);
}

interface Refusal {
  readonly issue?: readonly { diagnostics?: string; details?: Concept }[];
}

/** A proxy in between may answer with a page of its own. */
function parsed<T>(text: string): T | undefined {
  try {
    return text ? (JSON.parse(text) as T) : undefined;
  } catch {
    return undefined;
  }
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
