import { randomUUID } from 'node:crypto';
import { isFhirId } from '../core/ids.js';
import { isResourceType } from '../fhir/resource-types.js';
import type { AccessLog } from '../store/access-log.js';
import type { Authorization } from '../tenancy/clients-authorization.js';
import type { AccessToken } from '../tenancy/tokens.js';
import { callerOf } from './oauth-caller.js';
import { type Form, formOf, need, OAuthFault, type OAuthHandler } from './oauth-exchange.js';
import { type FhirContext, type LaunchContent, type SessionContext, sealContent } from './oauth-sealed.js';
import { accessOf } from './scopes.js';

/** How long an app that was opened may take to ask for its authorisation. */
export const LAUNCH_LIFE_S = 300;
const MAX_INTENT_CHARS = 100;
const MAX_URL_CHARS = 1_000;
const MAX_CONTEXTS = 20;

/**
 * SMART App Launch 2.2, "EHR launch": whoever shows the record of a patient says here which patient and encounter are open,
 * and opens the app's launch address with the `launch` and `iss` it gets. It permits nothing by itself: the app asks for
 * its authorisation with it, the user signs in, and what is granted is what the user may.
 *
 * The caller holds a token that may read patients: a user's, then only the same user can sign in with it, or one of a
 * backend client, which speaks for a record system.
 */
export function launchHandler(authorization: Authorization, audit: AccessLog): OAuthHandler {
  return async (request) => {
    const { tenant, origin } = request;
    const caller = await callerOf(authorization, request);
    const form = await formOf(request.http);
    const seen = {
      actor: { id: caller.subject, kind: 'user' as const },
      at: authorization.clock.now(),
      interaction: 'launch',
      type: 'Patient',
    };
    if (!(await mayLaunch(authorization, tenant.record, caller))) {
      await audit.record(tenant, { ...seen, status: 403 });
      throw new OAuthFault('access_denied', 'The token does not permit opening apps.');
    }
    const app = await authorization.clients.find(tenant.record, need(form, 'client_id'));
    if (app?.kind !== 'app' || app.revokedAt !== undefined || !app.scopes.split(' ').includes('launch'))
      throw new OAuthFault(
        'invalid_request',
        'No app with the scope launch is registered here under this id.',
      );
    const patient = idOf(form, 'patient');
    if (caller.patient !== undefined && patient !== caller.patient)
      throw new OAuthFault('access_denied', 'The token is for another patient.');
    const content: LaunchContent = {
      id: randomUUID(),
      client: app.id,
      subject: caller.client === undefined ? caller.subject : undefined,
      patient,
      context: contextOf(form, patient),
      expiresAt: authorization.clock.now() + LAUNCH_LIFE_S * 1000,
    };
    const patients = patient === undefined ? [] : [patient];
    await audit.record(tenant, { ...seen, status: 200, patients, patientCount: patients.length });
    return {
      status: 200,
      json: {
        launch: sealContent(tenant, 'launch', content),
        iss: `${origin}/fhir/${tenant.record.name}`,
        expires_in: LAUNCH_LIFE_S,
      },
      headers: { 'Cache-Control': 'no-store' },
    };
  };
}

async function mayLaunch(
  { clients }: Authorization,
  tenant: { id: string; name: string },
  { scopes, patient, client, emergency }: AccessToken,
): Promise<boolean> {
  if (emergency !== undefined || !accessOf(scopes.join(' '), patient).allows('Patient', 'r')) return false;
  // An app opens no other in the name of its user.
  return client === undefined || (await clients.find(tenant, client))?.kind === 'backend';
}

function contextOf(form: Form, patient: string | undefined): SessionContext {
  const encounter = idOf(form, 'encounter');
  if (encounter !== undefined && patient === undefined)
    throw new OAuthFault('invalid_request', 'An encounter is of a patient: name the patient too.');
  const banner = form.get('need_patient_banner');
  if (banner !== undefined && banner !== 'true' && banner !== 'false')
    throw new OAuthFault('invalid_request', 'need_patient_banner is neither true nor false.');
  const style = form.get('smart_style_url');
  if (style !== undefined && !isWebAddress(style))
    throw new OAuthFault('invalid_request', 'smart_style_url is no https address.');
  const intent = form.get('intent');
  if (intent !== undefined && (intent.length > MAX_INTENT_CHARS || /\p{Cc}/u.test(intent)))
    throw new OAuthFault('invalid_request', `intent has at most ${MAX_INTENT_CHARS} characters.`);
  const more = form.get('fhir_context');
  return {
    encounter,
    ...(banner === undefined ? {} : { needPatientBanner: banner === 'true' }),
    ...(style === undefined ? {} : { smartStyleUrl: style }),
    ...(intent === undefined ? {} : { intent }),
    ...(more === undefined ? {} : { fhirContext: fhirContextOf(more) }),
  };
}

/** "fhirContext": further resources that are open, neither patient nor encounter. */
function fhirContextOf(text: string): FhirContext[] {
  const refused = () =>
    new OAuthFault('invalid_request', 'fhir_context is no list of {"reference": "Type/id", "role": "…"}.');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refused();
  }
  if (!Array.isArray(value) || value.length > MAX_CONTEXTS) throw refused();
  return value.map((one: unknown) => {
    const { reference, role, ...rest } = { ...(one as Record<string, unknown>) };
    const [type = '', id = '', ...more] = typeof reference === 'string' ? reference.split('/') : [];
    const fits = isResourceType(type) && isFhirId(id) && more.length === 0 && Object.keys(rest).length === 0;
    const named = role === undefined || (typeof role === 'string' && role.length <= MAX_URL_CHARS);
    if (!fits || !named) throw refused();
    return { reference: `${type}/${id}`, ...(role === undefined ? {} : { role: role as string }) };
  });
}

function idOf(form: Form, name: 'patient' | 'encounter'): string | undefined {
  const id = form.get(name);
  if (id !== undefined && !isFhirId(id)) throw new OAuthFault('invalid_request', `${name} is no id.`);
  return id;
}

function isWebAddress(text: string): boolean {
  return text.length <= MAX_URL_CHARS && URL.canParse(text) && new URL(text).protocol === 'https:';
}
