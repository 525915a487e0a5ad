import { createHash } from 'node:crypto';
import type { Client } from '../tenancy/clients.js';
import type { Authorization } from '../tenancy/clients-authorization.js';
import { grantedScopes, parseScope } from '../tenancy/scope.js';
import { clientOf } from './oauth-client.js';
import {
  type Form,
  formOf,
  need,
  type OAuthAnswer,
  OAuthFault,
  type OAuthHandler,
  type OAuthRequest,
} from './oauth-exchange.js';
import {
  type CodeContent,
  type Grant,
  openContent,
  type RefreshContent,
  sealContent,
} from './oauth-sealed.js';
import { namesType } from './scopes.js';
import { issuerOf } from './smart.js';

/** SMART Backend Services: SHOULD NOT exceed five minutes. */
export const BACKEND_TOKEN_LIFE_S = 300;
export const APP_TOKEN_LIFE_S = 3_600;
/** Of refresh tokens, from the sign-in on: without and with the user being there. */
const ONLINE_LIFE_MS = 12 * 3600_000;
const OFFLINE_LIFE_MS = 90 * 24 * 3600_000;
const NO_STORE = { 'Cache-Control': 'no-store', Pragma: 'no-cache' };

/** The token endpoint (RFC 6749, 3.2). */
export function tokenHandler(authorization: Authorization): OAuthHandler {
  return async (request) => {
    const given = await formOf(request.http);
    const type = need(given, 'grant_type');
    const grant = GRANTS[type as keyof typeof GRANTS];
    if (!Object.hasOwn(GRANTS, type))
      throw new OAuthFault('unsupported_grant_type', `Use one of ${Object.keys(GRANTS).join(', ')}.`);
    const form = type === 'refresh_token' ? named(request, given) : given;
    const client = await clientOf(authorization, request, form);
    return { status: 200, json: await grant(authorization, request, form, client), headers: NO_STORE };
  };
}

/**
 * A public app need not say who it is with a refresh token (RFC 6749, 6; SMART App Launch 2.2, "Refresh access token"): the
 * token says it. An app that can prove itself still must.
 */
function named({ tenant, http }: OAuthRequest, form: Form): Form {
  const says = ['client_id', 'client_assertion'].some((name) => form.has(name));
  if (says || http.headers.authorization !== undefined) return form;
  const { client } = openContent<RefreshContent>(tenant, 'refresh', need(form, 'refresh_token'));
  return new Map([...form, ['client_id', client]]);
}

type Answer = NonNullable<OAuthAnswer['json']>;
type GrantHandler = (
  authorization: Authorization,
  request: OAuthRequest,
  form: Form,
  client: Client,
) => Promise<Answer>;

const GRANTS = {
  client_credentials: byCredentials,
  authorization_code: byCode,
  refresh_token: byRefreshToken,
} satisfies Record<string, GrantHandler>;

/** SMART Backend Services, "Obtain access token". */
async function byCredentials(
  authorization: Authorization,
  { tenant }: OAuthRequest,
  form: Form,
  client: Client,
): Promise<Answer> {
  if (client.kind !== 'backend')
    throw new OAuthFault('unauthorized_client', 'Only a backend client may ask for a token by itself.');
  const scopes = grantedScopes(need(form, 'scope'), client.scopes).filter(
    (s) => parseScope(s)?.context === 'system' && namesType(s),
  );
  if (scopes.length === 0)
    throw new OAuthFault('invalid_scope', 'The client is registered for none of these scopes.');
  const scope = scopes.join(' ');
  const access_token = authorization.issue({
    tenant: tenant.record,
    scope,
    subject: client.id,
    client: client.id,
    lifeS: BACKEND_TOKEN_LIFE_S,
  });
  return { access_token, token_type: 'bearer', expires_in: BACKEND_TOKEN_LIFE_S, scope };
}

/** RFC 6749, 4.1.3, with the proof of RFC 7636. */
async function byCode(
  authorization: Authorization,
  { tenant, origin }: OAuthRequest,
  form: Form,
  client: Client,
): Promise<Answer> {
  const { clients, clock } = authorization;
  const code = openContent<CodeContent>(tenant, 'code', need(form, 'code'));
  const proof = createHash('sha256').update(need(form, 'code_verifier')).digest('base64url');
  const fits =
    code.client === client.id &&
    code.expiresAt > clock.now() &&
    code.redirectUri === form.get('redirect_uri') &&
    code.challenge === proof;
  if (!fits) throw new OAuthFault('invalid_grant', 'The code does not count.');
  if (!(await clients.useOnce(`code/${tenant.record.id}`, code.id, code.expiresAt))) {
    // Somebody has it twice: what the first use gave ends too (RFC 6749, 4.1.2).
    await clients.endFamily(tenant.record, client.id, code.id);
    throw new OAuthFault('invalid_grant', 'The code does not count.');
  }
  const idToken = code.scopes.includes('openid')
    ? await authorization.idTokens.issue({
        issuer: issuerOf(origin, tenant.record.name),
        subject: code.subject,
        client: client.id,
        nonce: code.nonce,
        ...(code.fhirUser !== undefined && code.scopes.some((s) => s === 'fhirUser' || s === 'profile')
          ? { fhirUser: `${origin}/fhir/${tenant.record.name}/${code.fhirUser}` }
          : {}),
        profile: code.scopes.includes('profile'),
      })
    : undefined;
  const life = code.scopes.includes('offline_access')
    ? OFFLINE_LIFE_MS
    : code.scopes.includes('online_access')
      ? ONLINE_LIFE_MS
      : undefined;
  if (life === undefined) return answer(authorization, tenant.record, code, { idToken });
  const expiresAt = clock.now() + life;
  await clients.openFamily(tenant.record, client.id, expiresAt, code.id);
  const { scopes, subject, fhirUser, patient, context } = code;
  const refresh: RefreshContent = {
    client: client.id,
    scopes,
    subject,
    fhirUser,
    patient,
    context,
    family: code.id,
    generation: 1,
    expiresAt,
  };
  return answer(authorization, tenant.record, code, {
    idToken,
    refreshToken: sealContent(tenant, 'refresh', refresh),
  });
}

/** RFC 6749, 6; each refresh token counts once (RFC 9700, 4.14). */
async function byRefreshToken(
  authorization: Authorization,
  { tenant }: OAuthRequest,
  form: Form,
  client: Client,
): Promise<Answer> {
  const { clients, clock } = authorization;
  const refused = () => new OAuthFault('invalid_grant', 'The refresh token does not count.');
  const old = openContent<RefreshContent>(tenant, 'refresh', need(form, 'refresh_token'));
  if (old.client !== client.id || old.expiresAt <= clock.now()) throw refused();
  const asked = form.get('scope');
  // Less may be asked for than was granted; the next refresh token still stands for all of it.
  const scopes = asked === undefined ? old.scopes : grantedScopes(asked, old.scopes.join(' '));
  // What the client is registered for may have become less since.
  const granted = grantedScopes(scopes.join(' '), client.scopes);
  if (!granted.some((s) => s === 'openid' || parseScope(s)))
    throw new OAuthFault('invalid_scope', 'None of these scopes was granted.');
  if (!(await clients.turnFamily(tenant.record, client.id, old.family, old.generation))) throw refused();
  const next = sealContent(tenant, 'refresh', { ...old, generation: old.generation + 1 });
  return answer(authorization, tenant.record, { ...old, scopes: granted }, { refreshToken: next });
}

function answer(
  authorization: Authorization,
  tenant: { id: string; name: string },
  { client, scopes, subject, fhirUser, patient, context = {} }: Grant,
  { idToken, refreshToken }: { idToken?: string | undefined; refreshToken?: string | undefined },
): Answer {
  const { encounter, needPatientBanner, smartStyleUrl, intent, fhirContext } = context;
  const access_token = authorization.issue({
    tenant,
    scope: scopes.join(' '),
    subject,
    client,
    encounter,
    ...(scopes.includes('fhirUser') ? { fhirUser } : {}),
    lifeS: APP_TOKEN_LIFE_S,
    ...(patient === undefined ? {} : { patient }),
  });
  return {
    access_token,
    token_type: 'Bearer',
    expires_in: APP_TOKEN_LIFE_S,
    scope: scopes.join(' '),
    ...(patient === undefined ? {} : { patient }),
    ...(encounter === undefined ? {} : { encounter }),
    ...(needPatientBanner === undefined ? {} : { need_patient_banner: needPatientBanner }),
    ...(smartStyleUrl === undefined ? {} : { smart_style_url: smartStyleUrl }),
    ...(intent === undefined ? {} : { intent }),
    ...(fhirContext === undefined ? {} : { fhirContext }),
    ...(idToken === undefined ? {} : { id_token: idToken }),
    ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
  };
}
