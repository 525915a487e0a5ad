import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import jwt from 'jsonwebtoken';
import type { Clock } from '../core/clock.js';
import { Fault } from '../core/fault.js';
import { isUserReference, OTHER_SCOPES, parseScope } from './scope.js';
import { createSecretFile, readSecretFile } from './secret-file.js';

/** Longest life of a token we issue. */
export const MAX_TOKEN_LIFE_S = 90 * 24 * 3600;
export const DEFAULT_TOKEN_LIFE_S = 3600;
/** Longest token we look at; one of ours has some 400 characters. */
const MAX_TOKEN_CHARS = 8_192;
const MAX_SCOPES = 100;
/** How far the clocks of two machines may differ. */
const CLOCK_SKEW_S = 30;
/** We issue and check with the same secret on the same machine, so a keyed hash does; nothing else is accepted. */
const ALGORITHM = 'HS256';
/** RFC 9068, section 2.1: what sets an access token apart from any other token signed with the same key. */
const TYPE = 'at+jwt';
const ISSUER = 'https://cenote.health/local';
const SECRET_BYTES = 32;

const PATIENT_SCOPE = /^patient\//;
const FHIR_ID = /^[A-Za-z0-9\-.]{1,64}$/;

/** The tenant a token is for. The id is in it as well: a tenant made anew under an old name has other tokens. */
export interface TokenTenant {
  readonly id: string;
  readonly name: string;
}

/** What a valid token says. */
export interface AccessToken {
  /** `jti`. */
  readonly id: string;
  readonly subject: string;
  readonly tenant: TokenTenant;
  readonly scopes: readonly string[];
  /** Id of the patient that `patient/` scopes are about. */
  readonly patient: string | undefined;
  /** Id of the encounter that is open in the session. */
  readonly encounter?: string | undefined;
  /** The resource that stands for its user, as `Practitioner/id`; its holder may read it. */
  readonly fhirUser?: string | undefined;
  /** The registered client it was issued to; absent for one made on the command line. */
  readonly client?: string | undefined;
  /** Why its holder sees more than usual: a token of an emergency. */
  readonly emergency?: string | undefined;
  /** ms since the epoch. */
  readonly expiresAt: number;
}

export interface TokenRequest {
  readonly tenant: TokenTenant;
  /** Separated by spaces. */
  readonly scope: string;
  readonly patient?: string;
  readonly encounter?: string | undefined;
  /** `Practitioner/id`, or of another type that stands for a user. */
  readonly fhirUser?: string | undefined;
  /** Who holds it, for the audit; `local` where not given. */
  readonly subject?: string;
  /** The registered client that asked for it. */
  readonly client?: string;
  /** The reason given for an emergency access. */
  readonly emergency?: string;
  /** Seconds; `DEFAULT_TOKEN_LIFE_S` where not given. */
  readonly lifeS?: number;
}

/** The secret that signs local tokens, made at the first use, mode 0600. @throws Fault `forbidden` where others may read it. */
export function openTokenSecret(file: string): Buffer {
  if (!existsSync(file)) createSecretFile(file, `${randomBytes(SECRET_BYTES).toString('base64')}\n`);
  const secret = Buffer.from(readSecretFile(file).toString('utf8').trim(), 'base64');
  if (secret.length !== SECRET_BYTES)
    throw new Fault('integrity', `The token secret ${file} is damaged.`, {
      remedy: 'Delete it: a new one is made, and the tokens signed with it no longer count.',
    });
  return secret;
}

/** Permits nothing by itself but to ask for an emergency access. */
export const BREAK_GLASS = 'break-glass';
/** Resource scopes of SMART App Launch, v2 and v1; `admin` and `break-glass` are ours. */
const isTokenScope = (text: string): boolean =>
  text === 'admin' || text === BREAK_GLASS || parseScope(text) !== undefined;
/** What says nothing of records, and stands in the token of an app so that its introspection tells all that was granted. */
const isGranted = (text: string): boolean => isTokenScope(text) || OTHER_SCOPES.has(text);

/** Splits and checks a scope text. @throws Fault `invalid`. */
export function parseScopes(scope: string, known = isTokenScope): string[] {
  const scopes = [...new Set(scope.split(' ').filter((s) => s !== ''))];
  if (scopes.length === 0)
    throw new Fault('invalid', 'A token needs a scope.', { at: 'scope', remedy: EXAMPLE });
  if (scopes.length > MAX_SCOPES)
    throw new Fault('too-large', `More than ${MAX_SCOPES} scopes.`, { at: 'scope' });
  if (scopes.some((s) => !known(s)))
    throw new Fault('invalid', 'One of the scopes is none of SMART App Launch 2.x.', {
      at: 'scope',
      remedy: EXAMPLE,
    });
  return scopes;
}

const EXAMPLE = 'Examples: system/*.cruds, user/Observation.rs, patient/*.read';

/** Makes an access token for local use. @throws Fault `invalid` for a scope, patient or life that cannot be. */
export function issueToken(secret: Buffer, clock: Clock, request: TokenRequest): string {
  const scopes = parseScopes(request.scope, request.client === undefined ? isTokenScope : isGranted);
  const life = request.lifeS ?? DEFAULT_TOKEN_LIFE_S;
  if (!Number.isInteger(life) || life < 1 || life > MAX_TOKEN_LIFE_S)
    throw new Fault('invalid', `A token lives from 1 second to ${MAX_TOKEN_LIFE_S / 86_400} days.`, {
      at: 'expires',
    });
  if (request.patient !== undefined && !FHIR_ID.test(request.patient))
    throw new Fault('invalid', 'The patient is given by the id of its Patient resource.', { at: 'patient' });
  if (request.patient === undefined && scopes.some((s) => PATIENT_SCOPE.test(s)))
    throw new Fault('invalid', 'A patient/ scope needs a patient.', {
      at: 'patient',
      remedy: 'Name one with --patient.',
    });
  if (request.fhirUser !== undefined && !isUserReference(request.fhirUser))
    throw new Fault(
      'invalid',
      'A user is a Practitioner, Patient, RelatedPerson, Person or PractitionerRole.',
      {
        at: 'fhirUser',
        remedy: 'Write it as Practitioner/id.',
      },
    );
  const now = Math.floor(clock.now() / 1000);
  const claims = {
    iss: ISSUER,
    sub: request.subject ?? 'local',
    aud: audience(request.tenant),
    iat: now,
    exp: now + life,
    jti: randomUUID(),
    scope: scopes.join(' '),
    ...(request.patient === undefined ? {} : { patient: request.patient }),
    ...(request.encounter === undefined ? {} : { encounter: request.encounter }),
    ...(request.fhirUser === undefined ? {} : { fhirUser: request.fhirUser }),
    ...(request.client === undefined ? {} : { client_id: request.client }),
    ...(request.emergency === undefined ? {} : { emergency: request.emergency }),
  };
  return jwt.sign(claims, secret, { algorithm: ALGORITHM, header: { alg: ALGORITHM, typ: TYPE } });
}

/**
 * Checks a token for this tenant: algorithm, signature, type, issuer, audience, times and the form of every claim.
 * @throws Fault `unauthenticated`; its message says no more than that the token does not count.
 */
export function verifyToken(secret: Buffer, clock: Clock, token: string, tenant: TokenTenant): AccessToken {
  const payload = payloadOf(secret, clock, token, audience(tenant));
  const patient: unknown = payload.patient;
  if (patient !== undefined && (typeof patient !== 'string' || !FHIR_ID.test(patient)))
    throw refused('patient');
  const scopes = payload.scope.split(' ');
  if (scopes.length > MAX_SCOPES || scopes.some((s) => !isGranted(s))) throw refused('scope');
  if (patient === undefined && scopes.some((s) => PATIENT_SCOPE.test(s))) throw refused('patient');
  const client = optionalText(payload.client_id);
  const emergency = optionalText(payload.emergency);
  const encounter = optionalText(payload.encounter);
  const fhirUser = optionalText(payload.fhirUser);
  if (fhirUser !== undefined && !isUserReference(fhirUser)) throw refused('user');
  return {
    id: payload.jti,
    subject: payload.sub,
    tenant,
    scopes,
    patient,
    encounter,
    fhirUser,
    client,
    emergency,
    expiresAt: payload.exp * 1000,
  };
}

interface Payload extends jwt.JwtPayload {
  readonly exp: number;
  readonly sub: string;
  readonly jti: string;
  readonly scope: string;
}

/** What every token of ours must say, whatever it is for. @throws Fault `unauthenticated` */
function payloadOf(secret: Buffer, clock: Clock, token: string, audience: string): Payload {
  if (token.length > MAX_TOKEN_CHARS) throw refused('too long');
  let checked: jwt.Jwt;
  try {
    checked = jwt.verify(token, secret, {
      algorithms: [ALGORITHM],
      issuer: ISSUER,
      audience,
      clockTimestamp: Math.floor(clock.now() / 1000),
      clockTolerance: CLOCK_SKEW_S,
      complete: true,
    });
  } catch (cause) {
    throw refused(cause instanceof Error ? cause.message : String(cause));
  }
  const { header, payload } = checked;
  if (header.typ !== TYPE) throw refused('type');
  if (typeof payload === 'string') throw refused('payload');
  // The library lets a token without these pass, and one whose audience is a list that holds ours and others.
  if (!isSeconds(payload.exp) || !isSeconds(payload.iat)) throw refused('times');
  if (payload.iat > Math.floor(clock.now() / 1000) + CLOCK_SKEW_S) throw refused('issued in the future');
  if (payload.exp - payload.iat > MAX_TOKEN_LIFE_S) throw refused('life');
  if (payload.aud !== audience) throw refused('audience');
  if (typeof payload.sub !== 'string' || payload.sub === '' || typeof payload.jti !== 'string')
    throw refused('subject');
  if (typeof payload.scope !== 'string') throw refused('scope');
  return payload as Payload;
}

/** Of `/admin`; no token of a tenant has it, and none of these counts at a tenant. */
const ADMIN_AUDIENCE = '/admin';
export const ADMIN_SCOPES = ['admin.read', 'admin.write'] as const;
export type AdminScope = (typeof ADMIN_SCOPES)[number];
/** An administrator's token lives a day at most. */
export const MAX_ADMIN_LIFE_S = 24 * 3600;

export interface AdminToken {
  readonly id: string;
  readonly subject: string;
  readonly scopes: readonly AdminScope[];
}

/** Makes a token for `/admin`. @throws Fault `invalid` */
export function issueAdminToken(
  secret: Buffer,
  clock: Clock,
  request: { readonly scope: string; readonly subject: string; readonly lifeS: number },
): string {
  const scopes = request.scope.split(' ').filter((s) => s !== '');
  if (scopes.length === 0 || !scopes.every((s) => ADMIN_SCOPES.some((known) => known === s)))
    throw new Fault('invalid', 'One of the scopes is none of an administrator.', {
      at: 'scope',
      remedy: `Use ${ADMIN_SCOPES.join(', ')}.`,
    });
  const { lifeS, subject } = request;
  if (!Number.isInteger(lifeS) || lifeS < 1 || lifeS > MAX_ADMIN_LIFE_S)
    throw new Fault('invalid', 'A token of an administrator lives from 1 second to a day.', {
      at: 'expires',
    });
  const now = Math.floor(clock.now() / 1000);
  const claims = {
    iss: ISSUER,
    sub: subject,
    aud: ADMIN_AUDIENCE,
    iat: now,
    exp: now + lifeS,
    jti: randomUUID(),
    scope: scopes.join(' '),
  };
  return jwt.sign(claims, secret, { algorithm: ALGORITHM, header: { alg: ALGORITHM, typ: TYPE } });
}

/** Checks a token for `/admin`. @throws Fault `unauthenticated` */
export function verifyAdminToken(secret: Buffer, clock: Clock, token: string): AdminToken {
  const { jti, sub, scope } = payloadOf(secret, clock, token, ADMIN_AUDIENCE);
  const scopes = scope.split(' ').filter((s): s is AdminScope => ADMIN_SCOPES.some((known) => known === s));
  return { id: jti, subject: sub, scopes };
}

function audience(tenant: TokenTenant): string {
  return `/fhir/${tenant.name}#${tenant.id}`;
}

function optionalText(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value === '') throw refused('claim');
  return value;
}

function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

function refused(log: string): Fault {
  return new Fault('unauthenticated', 'The access token is not valid here.', {
    remedy: 'Get a new token for this tenant.',
    log,
  });
}
