import { isFhirId } from '../core/ids.js';
import type { AccessLog } from '../store/access-log.js';
import type { Authorization } from '../tenancy/clients-authorization.js';
import { type AccessToken, BREAK_GLASS } from '../tenancy/tokens.js';
import { callerOf } from './oauth-caller.js';
import { type Form, formOf, OAuthFault, type OAuthHandler } from './oauth-exchange.js';

/** How long an emergency lasts; whoever needs longer says why once more. */
export const EMERGENCY_LIFE_S = 15 * 60;
const MIN_REASON_CHARS = 10;
const MAX_REASON_CHARS = 200;
/** One patient's record, to be read. */
const EMERGENCY_SCOPE = 'patient/*.rs';

/**
 * Emergency access (45 CFR 164.312(a)(2)(ii)): whoever holds a token with the scope `break-glass` gets, for a reason given,
 * a token that reads one patient's record for a quarter of an hour. That it was asked for stands in the audit log before
 * the token is given, and so does each use of it, with the reason; the operator's log has an alert.
 */
export function emergencyHandler(authorization: Authorization, audit: AccessLog): OAuthHandler {
  return async (request) => {
    const { tenant } = request;
    const caller = await callerOf(authorization, request);
    const form = await formOf(request.http);
    const asked = { actor: { id: caller.subject, kind: 'user' as const }, at: authorization.clock.now() };
    const seen = { ...asked, interaction: 'break-glass', type: 'Patient' };
    let wanted: { reason: string; patient: string };
    try {
      wanted = wantedOf(caller, form);
    } catch (error) {
      await audit.record(tenant, { ...seen, status: 403 });
      throw error;
    }
    const { reason, patient } = wanted;
    await audit.record(tenant, {
      ...seen,
      status: 200,
      patients: [patient],
      patientCount: 1,
      emergency: reason,
    });
    const access_token = authorization.issue({
      tenant: tenant.record,
      scope: EMERGENCY_SCOPE,
      subject: caller.subject,
      patient,
      emergency: reason,
      lifeS: EMERGENCY_LIFE_S,
    });
    return {
      status: 200,
      json: {
        access_token,
        token_type: 'Bearer',
        expires_in: EMERGENCY_LIFE_S,
        scope: EMERGENCY_SCOPE,
        patient,
      },
      headers: { 'Cache-Control': 'no-store' },
      alert: 'break-glass',
    };
  };
}

/** @throws OAuthFault `access_denied` */
function wantedOf({ scopes, emergency }: AccessToken, form: Form): { reason: string; patient: string } {
  if (!scopes.includes(BREAK_GLASS) || emergency !== undefined)
    throw new OAuthFault('access_denied', 'The token does not permit an emergency access.');
  const reason = form.get('reason')?.trim() ?? '';
  if (reason.length < MIN_REASON_CHARS || reason.length > MAX_REASON_CHARS || /\p{Cc}/u.test(reason))
    throw new OAuthFault(
      'access_denied',
      `Give a reason of ${MIN_REASON_CHARS} to ${MAX_REASON_CHARS} characters.`,
    );
  const patient = form.get('patient') ?? '';
  if (!isFhirId(patient)) throw new OAuthFault('access_denied', 'Name the patient by the id of the Patient.');
  return { reason, patient };
}
