import { randomUUID } from 'node:crypto';
import { Fault } from '../core/fault.js';
import { isFhirId } from '../core/ids.js';
import type { Resource } from '../core/resource.js';
import { patientsOf } from '../fhir/compartment.js';
import type { Client } from '../tenancy/clients.js';
import type { Authorization } from '../tenancy/clients-authorization.js';
import { grantedScopes, intersect, isUserReference, parseScope, printScope } from '../tenancy/scope.js';
import type { Tenant } from '../tenancy/tenant.js';
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
import { type LaunchContent, openContent, sealContent } from './oauth-sealed.js';
import { type Access, accessOf, namesType } from './scopes.js';

/** RFC 6749, 4.1.2: a code lives shortly. */
const CODE_LIFE_MS = 60_000;
const MAX_STATE_CHARS = 2_000;
const MAX_NONCE_CHARS = 500;
const CHALLENGE = /^[\w-]{43}$/;

/** Reads a record with the rights of whoever signed in. */
export type ReadAs = (
  tenant: Tenant,
  access: Access,
  type: string,
  id: string,
) => Promise<Resource | undefined>;

/** An authorisation request that may be answered at the app's redirect URI. */
interface Asked {
  readonly client: Client;
  readonly redirectUri: string;
  readonly state: string;
  readonly challenge: string;
  /** What it is registered for, of what it asks. */
  readonly scopes: readonly string[];
  /** Whether the token must be about one patient, and one encounter. */
  readonly ofPatient: boolean;
  readonly ofEncounter: boolean;
  /** Where a record system opened the app: what is open there. */
  readonly launch: LaunchContent | undefined;
  readonly nonce: string | undefined;
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
export function decideHandler(authorization: Authorization, readAs: ReadAs): OAuthHandler {
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
      const { launch, ofPatient, ofEncounter } = asked;
      if (launch?.subject !== undefined && launch.subject !== user.subject)
        return again('The app was opened by another user.');
      if (launch?.patient !== undefined && user.patient !== undefined && launch.patient !== user.patient)
        return again('Your token is for another patient than the one that is open.');
      const patient = launch?.patient ?? (ofPatient ? (user.patient ?? form.get('patient')) : undefined);
      if (ofPatient && (patient === undefined || !isFhirId(patient)))
        return again('Say which patient the app is for: the id of the Patient.');
      const encounter = launch?.context.encounter ?? (ofEncounter ? form.get('encounter') : undefined);
      if (ofEncounter && (encounter === undefined || !isFhirId(encounter)))
        return again('Say which encounter the app is for: the id of the Encounter.');
      const fhirUser = user.fhirUser ?? (isUserReference(user.subject) ? user.subject : undefined);
      const scopes = permitted(asked.scopes, user, fhirUser !== undefined);
      if (!scopes.some(grants)) return again('This token permits nothing that the app asks for.');
      const wrong = await contextFault(readAs, request.tenant, user, patient, encounter);
      if (wrong !== undefined) return again(wrong);
      if (launch && !(await usedFirst(authorization, request.tenant, launch)))
        return again('This launch was used already: open the app again.');
      const code = sealContent(request.tenant, 'code', {
        id: randomUUID(),
        client: asked.client.id,
        redirectUri: asked.redirectUri,
        challenge: asked.challenge,
        nonce: asked.nonce,
        scopes,
        subject: user.subject,
        fhirUser,
        patient,
        context: { ...launch?.context, encounter },
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
  { clients, clock }: Authorization,
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
  // OpenID Connect Core, 3.1.2.6 and 6: nobody is signed in without being asked, and requests are no objects.
  if (form.get('prompt')?.split(' ').includes('none'))
    throw no('interaction_required', 'Whoever signs in must be asked.');
  for (const name of ['request', 'request_uri'] as const)
    if (form.has(name)) throw no(`${name}_not_supported`, `The parameter ${name} is not served.`);
  const nonce = form.get('nonce');
  if (nonce !== undefined && nonce.length > MAX_NONCE_CHARS)
    throw no('invalid_request', 'nonce is too long.');
  const launch = launchOf(tenant, client, form.get('launch'), clock.now());
  if (launch === 'refused')
    throw no('invalid_request', 'The launch does not count: open the app again from the record system.');
  const scopes = grantedScopes(form.get('scope') ?? '', client.scopes)
    .filter(namesType)
    // Without a launch there is none to know of.
    .filter((s) => s !== 'launch' || launch !== undefined);
  if (!scopes.some(grants)) throw no('invalid_scope', 'The app is registered for none of these scopes.');
  if (launch && !scopes.includes('launch'))
    throw no('invalid_scope', 'An app that was opened from a record system asks for the scope launch.');
  const ofPatient =
    scopes.includes('launch/patient') || scopes.some((s) => parseScope(s)?.context === 'patient');
  const ofEncounter = scopes.includes('launch/encounter');
  return { client, redirectUri, state, challenge, scopes, ofPatient, ofEncounter, launch, nonce, form };
}

/** Whether the scope is worth a token of its own: a right to records, or to know who signed in. */
const grants = (scope: string): boolean => scope === 'openid' || parseScope(scope) !== undefined;

function launchOf(
  tenant: Tenant,
  client: Client,
  text: string | undefined,
  now: number,
): LaunchContent | 'refused' | undefined {
  if (text === undefined) return undefined;
  try {
    const launch = openContent<LaunchContent>(tenant, 'launch', text);
    return launch.client === client.id && launch.expiresAt > now ? launch : 'refused';
  } catch (error) {
    if (error instanceof OAuthFault) return 'refused';
    throw error;
  }
}

const usedFirst = (
  { clients }: Authorization,
  { record }: Tenant,
  { id, expiresAt }: LaunchContent,
): Promise<boolean> => clients.useOnce(`launch/${record.id}`, id, expiresAt);

/**
 * Why the context cannot be: a patient or an encounter that the user does not see, or one of another patient: two records
 * in one session are an accident waiting. What the user's token does not let them read is taken by its word.
 */
async function contextFault(
  readAs: ReadAs,
  tenant: Tenant,
  { scopes, patient: own }: AccessToken,
  patient: string | undefined,
  encounter: string | undefined,
): Promise<string | undefined> {
  const access = accessOf(scopes.join(' '), own);
  if (patient !== undefined && access.allows('Patient', 'r'))
    if (!(await readAs(tenant, access, 'Patient', patient))) return 'There is no such patient for you here.';
  if (encounter !== undefined && access.allows('Encounter', 'r')) {
    const found = await readAs(tenant, access, 'Encounter', encounter);
    if (!found || (patient !== undefined && !patientsOf(found).includes(patient)))
      return 'There is no such encounter of this patient for you here.';
  }
  return undefined;
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
function permitted(scopes: readonly string[], user: AccessToken, known: boolean): string[] {
  const own = user.scopes.flatMap((s) => parseScope(s) ?? []);
  const granted = scopes.flatMap((text) => {
    const scope = parseScope(text);
    // Who the user is, is told with an identity token, of a user who stands in a record.
    if (text === 'fhirUser' || text === 'profile') return known && scopes.includes('openid') ? [text] : [];
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

function shown({ client, scopes, ofPatient, ofEncounter, launch, redirectUri, form }: Asked) {
  return {
    client: client.name,
    scopes,
    asksPatient: ofPatient && launch?.patient === undefined,
    asksEncounter: ofEncounter && launch?.context.encounter === undefined,
    opened: launch?.patient !== undefined,
    redirectUri,
    form,
  };
}
