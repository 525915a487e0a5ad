import { randomUUID } from 'node:crypto';
import { Fault } from '../core/fault.js';
import { isFhirId } from '../core/ids.js';
import type { Client } from '../tenancy/clients.js';
import type { Authorization } from '../tenancy/clients-authorization.js';
import { grantedScopes, intersect, parseScope, printScope } from '../tenancy/scope.js';
import type { AccessToken } from '../tenancy/tokens.js';
import {
  type Form,
  formOf,
  type OAuthAnswer,
  type OAuthError,
  OAuthFault,
  type OAuthHandler,
  type OAuthRequest,
  readForm,
} from './oauth-exchange.js';
import { signInPage, trouble } from './oauth-page.js';
import { sealContent } from './oauth-sealed.js';
import { namesType } from './scopes.js';

/** RFC 6749, 4.1.2: a code lives shortly. */
const CODE_LIFE_MS = 60_000;
const MAX_STATE_CHARS = 2_000;
const CHALLENGE = /^[\w-]{43}$/;

/** An authorisation request that may be answered at the app's redirect URI. */
interface Asked {
  readonly client: Client;
  readonly redirectUri: string;
  readonly state: string;
  readonly challenge: string;
  /** What it is registered for, of what it asks. */
  readonly scopes: readonly string[];
  /** Whether the token must be about one patient. */
  readonly ofPatient: boolean;
  readonly form: Form;
}

/** Tells the app rather than the user (RFC 6749, 4.1.2.1). */
class Redirected extends Error {
  constructor(
    readonly redirectUri: string,
    readonly state: string | undefined,
    readonly code: OAuthError,
    description: string,
  ) {
    super(description);
  }
}

/** SMART App Launch 2.2, "Obtain authorization code": shows what an app asks for. */
export function authorizeHandler(authorization: Authorization): OAuthHandler {
  return (request) =>
    answered(async () => {
      const asked = await understood(authorization, request, readForm(request.query));
      return signInPage({ ...shown(asked), tenant: request.tenant.record.name });
    });
}

/**
 * The user's answer. There is no directory of users: whoever signs in shows an access token of this tenant, which says who
 * they are and is the most that the app can get.
 */
export function decideHandler(authorization: Authorization): OAuthHandler {
  return (request) =>
    answered(async () => {
      const form = await formOf(request.http);
      const asked = await understood(authorization, request, form);
      if (form.get('decision') !== 'allow')
        throw new Redirected(asked.redirectUri, asked.state, 'access_denied', 'The user refused.');
      const again = (message: string) =>
        signInPage({ ...shown(asked), tenant: request.tenant.record.name, message });
      const user = await signedIn(authorization, request, form.get('token'));
      if (!user) return again('This token does not count here.');
      const patient = asked.ofPatient ? (user.patient ?? form.get('patient')) : undefined;
      if (asked.ofPatient && (patient === undefined || !isFhirId(patient)))
        return again('Say which patient the app is for: the id of the Patient.');
      const scopes = permitted(asked.scopes, user);
      if (!scopes.some((s) => parseScope(s)))
        return again('This token permits nothing that the app asks for.');
      const code = sealContent(request.tenant, 'code', {
        id: randomUUID(),
        client: asked.client.id,
        redirectUri: asked.redirectUri,
        challenge: asked.challenge,
        scopes,
        subject: user.subject,
        patient,
        expiresAt: authorization.clock.now() + CODE_LIFE_MS,
      });
      return redirect(asked.redirectUri, { code, state: asked.state });
    });
}

async function answered(work: () => Promise<OAuthAnswer>): Promise<OAuthAnswer> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Redirected) {
      return redirect(error.redirectUri, {
        error: error.code,
        error_description: error.message,
        ...(error.state === undefined ? {} : { state: error.state }),
      });
    }
    // Before the redirect URI is known to be the app's, nobody is sent anywhere.
    if (error instanceof OAuthFault) return trouble(error.message);
    throw error;
  }
}

function redirect(uri: string, params: Readonly<Record<string, string>>): OAuthAnswer {
  const url = new URL(uri);
  for (const [name, value] of Object.entries(params)) url.searchParams.append(name, value);
  return { status: 302, headers: { Location: url.href, 'Cache-Control': 'no-store' } };
}

async function understood(
  { clients }: Authorization,
  { tenant, origin }: OAuthRequest,
  form: Form,
): Promise<Asked> {
  const client = await clients.find(tenant.record, form.get('client_id') ?? '');
  if (client?.kind !== 'app' || client.revokedAt !== undefined)
    throw new OAuthFault('invalid_client', 'No app is registered here under this id.');
  const redirectUri = form.get('redirect_uri');
  if (redirectUri === undefined || !client.redirectUris.includes(redirectUri))
    throw new OAuthFault('invalid_request', 'The redirect URI is not one that the app registered.');
  const state = form.get('state');
  const no = (code: OAuthError, text: string) => new Redirected(redirectUri, state, code, text);
  if (state === undefined || state.length > MAX_STATE_CHARS)
    throw no('invalid_request', 'state is missing or too long.');
  if (form.get('response_type') !== 'code')
    throw no('unsupported_response_type', 'Only response_type=code is served.');
  const challenge = form.get('code_challenge');
  if (form.get('code_challenge_method') !== 'S256' || challenge === undefined || !CHALLENGE.test(challenge))
    throw no('invalid_request', 'A code_challenge with the method S256 is needed (PKCE).');
  if (form.get('aud')?.replace(/\/$/, '') !== `${origin}/fhir/${tenant.record.name}`)
    throw no('invalid_request', 'aud is not the FHIR base of this tenant.');
  if (form.get('launch') !== undefined)
    throw no('invalid_request', 'Launches from an EHR are not served: ask for launch/patient.');
  const scopes = grantedScopes(form.get('scope') ?? '', client.scopes).filter(namesType);
  if (!scopes.some((s) => parseScope(s)))
    throw no('invalid_scope', 'The app is registered for none of these scopes.');
  const ofPatient =
    scopes.includes('launch/patient') || scopes.some((s) => parseScope(s)?.context === 'patient');
  return { client, redirectUri, state, challenge, scopes, ofPatient, form };
}

async function signedIn(
  { verify }: Authorization,
  { tenant }: OAuthRequest,
  token: string | undefined,
): Promise<AccessToken | undefined> {
  if (token === undefined) return undefined;
  try {
    const found = await verify(token.trim(), tenant.record);
    // What an app was given is for the app alone: it cannot be used to sign in to another.
    return found.client === undefined && found.emergency === undefined ? found : undefined;
  } catch (error) {
    if (error instanceof Fault && error.category === 'unauthenticated') return undefined;
    throw error;
  }
}

/** What the user may themselves, of what the app asks: a patient's part is within what a user may of everybody. */
function permitted(scopes: readonly string[], user: AccessToken): string[] {
  const own = user.scopes.flatMap((s) => parseScope(s) ?? []);
  const granted = scopes.flatMap((text) => {
    const scope = parseScope(text);
    if (!scope) return [text];
    return own.flatMap((limit) => {
      const within =
        limit.context === scope.context || (limit.context === 'user' && scope.context === 'patient');
      const both = within && intersect(scope, { ...limit, context: scope.context });
      return both ? [printScope(both)] : [];
    });
  });
  return [...new Set(granted)];
}

function shown({ client, scopes, ofPatient, redirectUri, form }: Asked) {
  return { client: client.name, scopes, ofPatient, redirectUri, form };
}
