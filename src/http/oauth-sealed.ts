import type { Tenant } from '../tenancy/tenant.js';
import { OAuthFault } from './oauth-exchange.js';

/**
 * Codes and refresh tokens are sealed under the tenant's own key: they hold whom a grant is about, which so stands in no
 * table and reads as noise to the app that carries it.
 */

/** What a user permitted an app. */
export interface Grant {
  readonly client: string;
  readonly scopes: readonly string[];
  readonly subject: string;
  /** The record that stands for the user, as `Practitioner/id`. */
  readonly fhirUser?: string | undefined;
  readonly patient?: string | undefined;
  readonly context?: SessionContext | undefined;
}

/** A further resource that is open where the app was opened. */
export interface FhirContext {
  readonly reference: string;
  readonly role?: string;
}

/** What is open, beside the patient, where an app was opened (SMART App Launch 2.2, "launch context"). */
export interface SessionContext {
  /** Id of the Encounter. */
  readonly encounter?: string | undefined;
  readonly needPatientBanner?: boolean;
  readonly smartStyleUrl?: string;
  readonly intent?: string;
  readonly fhirContext?: readonly FhirContext[];
}

/** What a record system said when it opened an app. */
export interface LaunchContent {
  readonly id: string;
  readonly client: string;
  /** The user who opened it; undefined where a record system did for whoever signs in there. */
  readonly subject: string | undefined;
  readonly patient: string | undefined;
  readonly context: SessionContext;
  /** ms. */
  readonly expiresAt: number;
}

export interface CodeContent extends Grant {
  /** Of the family of refresh tokens that may follow. */
  readonly id: string;
  readonly redirectUri: string;
  readonly challenge: string;
  /** Given back in the identity token (OpenID Connect Core, 3.1.2.1). */
  readonly nonce?: string | undefined;
  /** ms. */
  readonly expiresAt: number;
}

export interface RefreshContent extends Grant {
  readonly family: string;
  readonly generation: number;
  readonly expiresAt: number;
}

type Kind = 'code' | 'refresh' | 'launch';
type Content = CodeContent | RefreshContent | LaunchContent;
const NAMES: Readonly<Record<Kind, string>> = { code: 'code', refresh: 'refresh token', launch: 'launch' };
const MAX_SEALED_CHARS = 20_000;

export function sealContent({ keys }: Tenant, kind: Kind, content: Content): string {
  const plain = Buffer.from(JSON.stringify(content));
  return keys.seal(plain, { purpose: 'cursor', bind: ['oauth', kind] }).toString('base64url');
}

/** @throws OAuthFault `invalid_grant` */
export function openContent<T extends Content>({ keys }: Tenant, kind: Kind, text: string): T {
  if (text.length <= MAX_SEALED_CHARS && /^[\w-]+$/.test(text)) {
    try {
      const plain = keys.open(Buffer.from(text, 'base64url'), { purpose: 'cursor', bind: ['oauth', kind] });
      return JSON.parse(plain.toString('utf8')) as T;
    } catch {
      // Not ours, or of another kind: the same refusal.
    }
  }
  throw new OAuthFault('invalid_grant', `The ${NAMES[kind]} does not count.`);
}
