import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import type pg from 'pg';
import type { Clock } from '../core/clock.js';
import { Fault, invalid } from '../core/fault.js';
import { ASSERTION_ALGORITHMS, checkJwksUrl, MAX_JWKS_BYTES, readJwks } from './clients-jwks.js';
import { isScope, parseScope } from './scope.js';
import type { TokenTenant } from './tokens.js';

export type ClientKind = 'backend' | 'app';
export type ClientAuth = 'private_key_jwt' | 'client_secret' | 'none';

/** A program or an app that may ask for tokens of one tenant. */
export interface Client {
  readonly id: string;
  readonly name: string;
  readonly kind: ClientKind;
  readonly auth: ClientAuth;
  readonly jwks?: unknown;
  readonly jwksUrl?: string | undefined;
  /** Compared character by character. */
  readonly redirectUris: readonly string[];
  /** The most it is ever granted, separated by spaces. */
  readonly scopes: string;
  /** ms since the epoch. */
  readonly createdAt: number;
  readonly revokedAt?: number | undefined;
}

export interface Registration {
  /** A UUID where not given. */
  readonly id?: string | undefined;
  readonly name: string;
  readonly kind: ClientKind;
  /** A backend always signs; an app signs, has a secret or has nothing to prove itself by (public). */
  readonly auth?: ClientAuth | undefined;
  readonly jwks?: unknown;
  readonly jwksUrl?: string | undefined;
  readonly redirectUris?: readonly string[] | undefined;
  readonly scopes: string;
}

export interface Registered {
  readonly client: Client;
  /** Shown once: only its hash is kept. */
  readonly secret?: string;
}

const MAX_CLIENTS = 10_000;
const MAX_REDIRECT_URIS = 20;
const MAX_SCOPE_CHARS = 8_000;
const CLIENT_ID = /^[A-Za-z0-9._~-]{1,100}$/;
/** Between looks at what was taken back; how long a token may go on in another process. */
const REVOKED_CACHE_MS = 1_000;
const SWEEP_MS = 60_000;
const ORIGINS_CACHE_MS = 5_000;
const MAX_CACHED_ORIGINS = 1_000;
const MAX_REVOKED = 200_000;

interface Row {
  id: string;
  name: string;
  kind: ClientKind;
  auth: ClientAuth;
  jwks: unknown;
  jwks_url: string | null;
  secret_hash: Buffer | null;
  redirect_uris: string[];
  scopes: string;
  created_at: bigint;
  revoked_at: bigint | null;
}

/** The registered clients of all tenants, and what of their proofs and tokens no longer counts. */
export interface Clients {
  /** @throws Fault `invalid` naming the field; `conflict` for an id that is taken, revoked ones included. */
  register(tenant: TokenTenant, registration: Registration): Promise<Registered>;
  list(tenant: TokenTenant): Promise<Client[]>;
  /** Revoked ones too. */
  find(tenant: TokenTenant, id: string): Promise<Client | undefined>;
  /** Its tokens stop counting within a second, in every process. @throws Fault `not-found` */
  revoke(tenant: TokenTenant, id: string): Promise<Client>;
  /** Whether the secret is the client's own; compared in constant time. */
  hasSecret(tenant: TokenTenant, id: string, secret: string): Promise<boolean>;
  /** Whether an app that is registered with the tenant of this name stands at the origin; known some seconds late. */
  hasOrigin(tenant: string, origin: string): Promise<boolean>;
  /** True the first time only, for every process, until `expiresAt` (ms). */
  useOnce(issuer: string, token: string, expiresAt: number): Promise<boolean>;
  /** Takes an access token back. @param expiresAt ms; after it the token does not count anyway */
  revokeToken(id: string, expiresAt: number): Promise<void>;
  /** Whether the token, or the client it was issued to, was taken back. */
  isRevoked(token: { id: string; client?: string | undefined; tenant: TokenTenant }): Promise<boolean>;
  /** Begins a family of refresh tokens under a new UUID. */
  openFamily(tenant: TokenTenant, client: string, expiresAt: number, id: string): Promise<void>;
  /**
   * Whether this generation of the family is the newest; it is then followed by the next one. Any other ends the family:
   * somebody shows a token that was already exchanged (RFC 9700, 4.14.2).
   */
  turnFamily(tenant: TokenTenant, client: string, id: string, generation: number): Promise<boolean>;
  endFamily(tenant: TokenTenant, client: string, id: string): Promise<void>;
}

export interface ClientsOptions {
  readonly control: pg.Pool;
  readonly clock: Clock;
  /** Origins whose key sets may be fetched though they are on a private network. */
  readonly trustedOrigins?: ReadonlySet<string>;
}

const COLUMNS =
  'id, name, kind, auth, jwks, jwks_url, secret_hash, redirect_uris, scopes, created_at, revoked_at';

export function createClients({ control, clock, trustedOrigins = new Set() }: ClientsOptions): Clients {
  let revoked: { at: number; tokens: Set<string>; clients: Set<string> } | undefined;
  let looking: Promise<void> | undefined;
  let sweptAt = 0;
  const origins = new Map<string, { at: number; of: ReadonlySet<string> }>();

  async function row(tenant: TokenTenant, id: string): Promise<Row | undefined> {
    if (!CLIENT_ID.test(id)) return undefined;
    const { rows } = await control.query<Row>(
      `select ${COLUMNS} from client where tenant_id = $1 and id = $2`,
      [tenant.id, id],
    );
    return rows[0];
  }

  async function look(): Promise<void> {
    const now = clock.now();
    const [tokens, clients] = await Promise.all([
      control.query<{ id: string }>('select id from revoked_token where expires_at > $1 limit $2', [
        now,
        MAX_REVOKED,
      ]),
      control.query<{ tenant_id: string; id: string }>(
        'select tenant_id, id from client where revoked_at is not null limit $1',
        [MAX_REVOKED],
      ),
    ]);
    revoked = {
      at: now,
      tokens: new Set(tokens.rows.map((r) => r.id)),
      clients: new Set(clients.rows.map((r) => `${r.tenant_id}/${r.id}`)),
    };
  }

  async function sweep(): Promise<void> {
    const now = clock.now();
    if (now - sweptAt < SWEEP_MS) return;
    sweptAt = now;
    await control.query('delete from used_once where expires_at < $1', [now]);
    await control.query('delete from revoked_token where expires_at < $1', [now]);
    await control.query('delete from refresh_family where expires_at < $1', [now]);
  }

  return {
    async register(tenant, registration) {
      const client = checked(registration, trustedOrigins);
      const { rows: counted } = await control.query<{ n: bigint }>(
        'select count(*) as n from client where tenant_id = $1',
        [tenant.id],
      );
      if (Number(counted[0]!.n) >= MAX_CLIENTS)
        throw new Fault('too-many', `A tenant has at most ${MAX_CLIENTS} clients.`);
      const secret = client.auth === 'client_secret' ? randomBytes(32).toString('base64url') : undefined;
      const { rows } = await control.query<Row>(
        `insert into client (tenant_id, id, name, kind, auth, jwks, jwks_url, secret_hash, redirect_uris, scopes, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing returning ${COLUMNS}`,
        [
          tenant.id,
          client.id,
          client.name,
          client.kind,
          client.auth,
          client.jwks === undefined ? null : JSON.stringify(client.jwks),
          client.jwksUrl ?? null,
          secret === undefined ? null : hashOf(secret),
          client.redirectUris,
          client.scopes,
          clock.now(),
        ],
      );
      if (!rows[0])
        throw new Fault('conflict', 'There is a client with this id already.', {
          at: 'id',
          remedy: 'Choose another; the id of a revoked client is not given again.',
        });
      return { client: clientOf(rows[0]), ...(secret === undefined ? {} : { secret }) };
    },

    async list(tenant) {
      const { rows } = await control.query<Row>(
        `select ${COLUMNS} from client where tenant_id = $1 order by created_at, id`,
        [tenant.id],
      );
      return rows.map(clientOf);
    },

    async find(tenant, id) {
      const found = await row(tenant, id);
      return found && clientOf(found);
    },

    async revoke(tenant, id) {
      const { rows } = await control.query<Row>(
        `update client set revoked_at = coalesce(revoked_at, $3) where tenant_id = $1 and id = $2 returning ${COLUMNS}`,
        [tenant.id, id, clock.now()],
      );
      if (!rows[0])
        throw new Fault('not-found', 'There is no client with this id.', {
          remedy: 'See: cenote client list',
        });
      await control.query(
        'update refresh_family set revoked_at = coalesce(revoked_at, $3) where tenant_id = $1 and client_id = $2',
        [tenant.id, id, clock.now()],
      );
      revoked = undefined;
      return clientOf(rows[0]);
    },

    async hasSecret(tenant, id, secret) {
      const hash = (await row(tenant, id))?.secret_hash;
      const given = hashOf(secret);
      // Something is compared either way, so that the time tells nothing.
      return timingSafeEqual(given, hash ?? randomBytes(given.length)) && hash != null;
    },

    async hasOrigin(tenant, origin) {
      const known = origins.get(tenant);
      if (known && clock.now() - known.at < ORIGINS_CACHE_MS) return known.of.has(origin);
      const { rows } = await control.query<{ uris: string[] }>(
        `select c.redirect_uris as uris from client c join tenant t on t.id = c.tenant_id
         where t.name = $1 and t.state = 'active' and c.kind = 'app' and c.revoked_at is null`,
        [tenant],
      );
      const of = new Set(rows.flatMap((r) => r.uris.map((uri) => new URL(uri).origin)));
      // An app with a scheme of its own has no origin, nor has a page in a sandbox.
      of.delete('null');
      if (origins.size >= MAX_CACHED_ORIGINS) origins.delete(origins.keys().next().value!);
      origins.delete(tenant);
      origins.set(tenant, { at: clock.now(), of });
      return of.has(origin);
    },

    async useOnce(issuer, token, expiresAt) {
      await sweep();
      const { rowCount } = await control.query(
        'insert into used_once (issuer, token, expires_at) values ($1, $2, $3) on conflict do nothing',
        [issuer, hashOf(token), Math.ceil(expiresAt)],
      );
      return rowCount === 1;
    },

    async revokeToken(id, expiresAt) {
      await sweep();
      await control.query(
        'insert into revoked_token (id, expires_at) values ($1, $2) on conflict do nothing',
        [id, expiresAt],
      );
      revoked = undefined;
    },

    async isRevoked({ id, client, tenant }) {
      if (!revoked || clock.now() - revoked.at >= REVOKED_CACHE_MS) {
        looking ??= look().finally(() => {
          looking = undefined;
        });
        await looking;
      }
      if (revoked?.tokens.has(id)) return true;
      return client !== undefined && revoked?.clients.has(`${tenant.id}/${client}`) === true;
    },

    async openFamily(tenant, client, expiresAt, id) {
      await control.query(
        'insert into refresh_family (id, tenant_id, client_id, expires_at) values ($1, $2, $3, $4)',
        [id, tenant.id, client, expiresAt],
      );
    },

    async turnFamily(tenant, client, id, generation) {
      const { rowCount } = await control.query(
        `update refresh_family set generation = generation + 1
         where id = $1 and tenant_id = $2 and client_id = $3 and generation = $4
           and revoked_at is null and expires_at > $5`,
        [id, tenant.id, client, generation, clock.now()],
      );
      if (rowCount === 1) return true;
      await this.endFamily(tenant, client, id);
      return false;
    },

    async endFamily(tenant, client, id) {
      await control.query(
        `update refresh_family set revoked_at = coalesce(revoked_at, $4)
         where id = $1 and tenant_id = $2 and client_id = $3`,
        [id, tenant.id, client, clock.now()],
      );
    },
  };
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function clientOf(row: Row): Client {
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    auth: row.auth,
    ...(row.jwks === null ? {} : { jwks: row.jwks }),
    jwksUrl: row.jwks_url ?? undefined,
    redirectUris: row.redirect_uris,
    scopes: row.scopes,
    createdAt: Number(row.created_at),
    revokedAt: row.revoked_at === null ? undefined : Number(row.revoked_at),
  };
}

function checked(asked: Registration, trusted: ReadonlySet<string>): Omit<Client, 'createdAt'> {
  const id = asked.id ?? randomUUID();
  if (!CLIENT_ID.test(id)) throw invalid('A client id has 1 to 100 of letters, digits and . _ ~ -.', 'id');
  if (asked.name.trim() === '' || asked.name.length > 200 || /\p{Cc}/u.test(asked.name))
    throw invalid('A client has a name of 1 to 200 characters.', 'name');
  const backend = asked.kind === 'backend';
  const auth = asked.auth ?? (backend || hasKeys(asked) ? 'private_key_jwt' : 'none');
  if (backend && auth !== 'private_key_jwt')
    throw invalid('A backend client signs what it asks.', 'auth', 'Register its JWKS or the URL of it.');
  if (auth === 'private_key_jwt') checkKeys(asked, trusted);
  else if (hasKeys(asked)) throw invalid('Keys are of use only to a client that signs.', 'jwks');
  const redirectUris = [...new Set(asked.redirectUris ?? [])];
  if (backend !== (redirectUris.length === 0))
    throw invalid(
      backend ? 'A backend client has no redirect URI.' : 'An app needs a redirect URI.',
      'redirect_uris',
    );
  if (redirectUris.length > MAX_REDIRECT_URIS || !redirectUris.every(isRedirectUri))
    throw invalid(
      'A redirect URI is none that is accepted.',
      'redirect_uris',
      'Give https URLs without a fragment; http on loopback, or an app’s own scheme with a dot in it.',
    );
  return {
    id,
    name: asked.name.trim(),
    kind: asked.kind,
    auth,
    ...(asked.jwks === undefined ? {} : { jwks: asked.jwks }),
    jwksUrl: asked.jwksUrl,
    redirectUris,
    scopes: checkScopes(asked.scopes, asked.kind),
  };
}

const hasKeys = ({ jwks, jwksUrl }: Registration): boolean => jwks !== undefined || jwksUrl !== undefined;

function checkKeys({ jwks, jwksUrl }: Registration, trusted: ReadonlySet<string>): void {
  if ((jwks === undefined) === (jwksUrl === undefined))
    throw invalid('A client that signs has either a key set or the address of one.', 'jwks');
  if (jwksUrl !== undefined) {
    checkJwksUrl(jwksUrl, trusted);
    return;
  }
  if (JSON.stringify(jwks).length > MAX_JWKS_BYTES)
    throw new Fault('too-large', `A key set has at most ${MAX_JWKS_BYTES / 1024} KB.`, { at: 'jwks' });
  const usable = readJwks(jwks).some((key) => ASSERTION_ALGORITHMS.some((a) => key.algorithms.includes(a)));
  if (!usable)
    throw invalid(
      'The key set has no key that can be used.',
      'jwks',
      'It needs an RSA key (RS384) or an EC key on P-384 (ES384), with a kid.',
    );
}

function checkScopes(text: string, kind: ClientKind): string {
  const scopes = [...new Set(text.split(' ').filter((s) => s !== ''))];
  const bad = (message: string) =>
    invalid(message, 'scopes', 'Examples: system/*.rs, user/Observation.rs, patient/*.read, launch/patient');
  if (scopes.length === 0 || text.length > MAX_SCOPE_CHARS) throw bad('A client needs scopes.');
  if (!scopes.every(isScope)) throw bad('One of the scopes is none of SMART App Launch 2.x.');
  if (kind === 'backend' && scopes.some((s) => parseScope(s)?.context !== 'system'))
    throw bad('A backend client has system/ scopes alone.');
  if (kind === 'app' && scopes.some((s) => parseScope(s)?.context === 'system'))
    throw bad('An app has no system/ scopes.');
  return scopes.join(' ');
}

/** RFC 8252: https, http on loopback, or a private-use scheme in reverse-domain form. */
function isRedirectUri(text: string): boolean {
  if (text.length > 1_000 || /[\s\\]/.test(text) || !URL.canParse(text)) return false;
  const url = new URL(text);
  if (url.hash !== '' || text.includes('#') || url.username !== '' || url.password !== '') return false;
  if (url.protocol === 'https:') return true;
  if (url.protocol === 'http:') return ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  return /^[a-z][a-z0-9+-]*\.[a-z0-9.+-]+:$/.test(url.protocol);
}
