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
  readonly patient?: string | undefined;
}

export interface CodeContent extends Grant {
  /** Of the family of refresh tokens that may follow. */
  readonly id: string;
  readonly redirectUri: string;
  readonly challenge: string;
  /** ms. */
  readonly expiresAt: number;
}

export interface RefreshContent extends Grant {
  readonly family: string;
  readonly generation: number;
  readonly expiresAt: number;
}

const MAX_SEALED_CHARS = 20_000;

export function sealContent(
  { keys }: Tenant,
  kind: 'code' | 'refresh',
  content: CodeContent | RefreshContent,
): string {
  const plain = Buffer.from(JSON.stringify(content));
  return keys.seal(plain, { purpose: 'cursor', bind: ['oauth', kind] }).toString('base64url');
}

/** @throws OAuthFault `invalid_grant` */
export function openContent<T extends CodeContent | RefreshContent>(
  { keys }: Tenant,
  kind: 'code' | 'refresh',
  text: string,
): T {
  if (text.length <= MAX_SEALED_CHARS && /^[\w-]+$/.test(text)) {
    try {
      const plain = keys.open(Buffer.from(text, 'base64url'), { purpose: 'cursor', bind: ['oauth', kind] });
      return JSON.parse(plain.toString('utf8')) as T;
    } catch {
      // Not ours, or of another kind: the same refusal.
    }
  }
  throw new OAuthFault('invalid_grant', `The ${kind === 'code' ? 'code' : 'refresh token'} does not count.`);
}
