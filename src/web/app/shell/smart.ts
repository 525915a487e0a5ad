import { ApiError, type Session } from '../api.js';

/**
 * Signing in through the tenant's authorisation server (SMART App Launch 2.2, public client with PKCE), by oneself or
 * opened by a record system. Whoever runs the server registers the page once for a tenant:
 * `cenote client register --id cenote-page --redirect-uri https://…/ …`.
 */
export const CLIENT_ID = 'cenote-page';
/** The most the page asks for; the server gives what the page is registered for and the user may. */
const SCOPES = 'user/*.cruds';

/** What is remembered between leaving for the authorisation server and coming back, in this tab alone. */
interface Begun {
  readonly tenant: string;
  readonly state: string;
  readonly verifier: string;
}
const KEY = 'cenote-sign-in';

/** How the page was opened. */
export type Arrival =
  | { readonly session: Session; readonly patient: string | undefined }
  /** Why signing in did not come to its end. */
  | { readonly why: string }
  | undefined;

/**
 * Comes back from the authorisation server with a code, or is opened by a record system, which it then leaves for. The
 * code is used once and taken out of the address, so that it is not in the history.
 */
export async function arrive(): Promise<Arrival> {
  const query = new URLSearchParams(location.search);
  if (query.size === 0) return undefined;
  history.replaceState(null, '', `${location.pathname}${location.hash}`);
  try {
    const [iss, launch] = [query.get('iss'), query.get('launch')];
    if (iss !== null && launch !== null) {
      await leaveFor(tenantOf(iss), launch);
      // The page is on its way out.
      return await new Promise<never>(() => undefined);
    }
    if (query.has('code') || query.has('error')) return await comeBack(query);
  } catch (error) {
    return { why: (error as Error).message };
  }
  return undefined;
}

/** Goes to the sign-in of the tenant's authorisation server. @throws ApiError where the page is no app of the tenant */
export async function leaveFor(tenant: string, launch?: string): Promise<void> {
  const [state, verifier] = [randomText(), randomText()];
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: CLIENT_ID,
    redirect_uri: redirectUri(),
    scope: launch === undefined ? SCOPES : `launch ${SCOPES}`,
    state,
    aud: `${location.origin}/fhir/${tenant}`,
    code_challenge: base64Url(await sha256(verifier)),
    code_challenge_method: 'S256',
    ...(launch === undefined ? {} : { launch }),
  });
  const address = `${authorization(tenant)}/authorize?${query}`;
  // Asked first, so that a refusal is told here and not on a page without a way back.
  const answer = await fetch(address, { redirect: 'manual' });
  if (!answer.ok && answer.type !== 'opaqueredirect')
    throw new ApiError(
      answer.status,
      `This page is not registered as an app of the tenant “${tenant}”. Sign in with an access token, or ask whoever runs the server.`,
    );
  sessionStorage.setItem(KEY, JSON.stringify({ tenant, state, verifier } satisfies Begun));
  location.assign(address);
}

async function comeBack(query: URLSearchParams): Promise<Arrival> {
  const begun = JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as Begun | null;
  sessionStorage.removeItem(KEY);
  // An answer that nobody here asked for is somebody else's (RFC 6749, 10.12).
  if (!begun || query.get('state') !== begun.state)
    return { why: 'This sign-in was not begun in this tab. Begin it here.' };
  const code = query.get('code');
  if (code === null) return { why: query.get('error_description') ?? 'The sign-in was refused.' };
  const answer = await fetch(`${authorization(begun.tenant)}/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      client_id: CLIENT_ID,
      redirect_uri: redirectUri(),
      code_verifier: begun.verifier,
    }),
  });
  const told = (await answer.json().catch(() => ({}))) as {
    access_token?: string;
    patient?: string;
    error_description?: string;
  };
  if (!answer.ok || told.access_token === undefined)
    return { why: told.error_description ?? `The server answered ${answer.status}.` };
  return { session: { tenant: begun.tenant, token: told.access_token }, patient: told.patient };
}

/** @throws Error for a server that is not this one */
function tenantOf(iss: string): string {
  const { origin, pathname } = new URL(iss);
  const tenant = /^\/fhir\/([a-z][a-z0-9-]{0,39})\/?$/.exec(pathname)?.[1];
  if (origin !== location.origin || tenant === undefined)
    throw new Error('The record system opened this page for another server than the one it is of.');
  return tenant;
}

const authorization = (tenant: string): string => `/oauth/${encodeURIComponent(tenant)}`;
const redirectUri = (): string => `${location.origin}/`;
const randomText = (): string => base64Url(crypto.getRandomValues(new Uint8Array(32)));

async function sha256(text: string): Promise<Uint8Array> {
  // Browsers have it in secure places alone, and nobody signs in over plain HTTP but on the machine itself.
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
}

function base64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');
}
