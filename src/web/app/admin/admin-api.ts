import { send } from '../api.js';

/** The administrator's token; of this tab alone, and never with the tenant's. */
const KEY = 'cenote-admin';
let token = sessionStorage.getItem(KEY) ?? '';

export const isAdminSignedIn = (): boolean => token !== '';

export function keepAdmin(next: string): void {
  token = next;
  if (next) sessionStorage.setItem(KEY, next);
  else sessionStorage.removeItem(KEY);
}
export const forgetAdmin = (): void => keepAdmin('');

interface Options {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly body?: object;
  readonly signal?: AbortSignal;
  /** Instead of the token that is kept. */
  readonly using?: string;
}

/** A request below `/admin`. @throws ApiError */
export async function admin<T>(
  path: string,
  { method = 'GET', body, signal, using }: Options = {},
): Promise<T> {
  const given = method === 'POST' ? (body ?? {}) : body;
  const answer = await send<T>(`/admin/${path}`, {
    method,
    ...(given === undefined ? {} : { body: given }),
    ...(signal ? { signal } : {}),
    token: using ?? token,
    type: 'application/json',
  });
  return answer.json;
}

export const tenantPath = (name: string, rest = ''): string => `tenants/${encodeURIComponent(name)}${rest}`;

export interface Tenant {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly epoch: number;
  readonly created: string;
  readonly validation?: string;
  readonly integrity: boolean;
  readonly indexPrivacy?: string;
  readonly keyProvider?: string;
}

export interface Key {
  readonly purpose: string;
  readonly version: number;
  readonly created: string;
}

export interface Storage {
  readonly databaseBytes: number;
  readonly tables?: readonly { name: string; bytes: number; estimatedRows: number }[];
}

export interface Client {
  readonly client_id: string;
  readonly name: string;
  readonly kind: string;
  readonly auth: string;
  readonly scope: string;
  readonly jwks?: { readonly keys?: readonly { kid?: string; kty?: string; alg?: string; crv?: string }[] };
  readonly jwks_url?: string;
  readonly redirect_uris?: readonly string[];
  readonly created: string;
  readonly revoked?: string;
  readonly client_secret?: string;
}
