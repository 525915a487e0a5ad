import { INDEX_PRIVACY_LEVELS } from '../core/blind.js';
import { Fault, invalid } from '../core/fault.js';
import type { Jobs } from '../jobs/jobs.js';
import { requestReseal } from '../tasks/reseal.js';
import { requestRotateIndex } from '../tasks/rotate-index.js';
import type { AdminAudit } from '../tenancy/admin-audit.js';
import type { Catalog } from '../tenancy/catalog.js';
import type { Client, ClientAuth, ClientKind, Clients } from '../tenancy/clients.js';
import { ROTATION_LEVELS } from '../tenancy/key-rotation.js';
import type { TenantDefaults, TenantRecord } from '../tenancy/tenant.js';
import type { AdminScope } from '../tenancy/tokens.js';

/** What administration works with. */
export interface AdminDeps {
  readonly tenants: Catalog;
  readonly jobs: Jobs;
  readonly clients: Clients;
}

/** The same, with what is added to every request. */
export interface AdminWorld extends AdminDeps {
  readonly acts: AdminAudit;
}

export interface AdminRequest {
  /** Segments the route names: `:tenant`, `:id`. */
  readonly at: Readonly<Record<string, string>>;
  /** Of a POST; `{}` where none was sent. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly query: URLSearchParams;
  /** Who asks. */
  readonly subject: string;
}

/** One row of the interface; `path` is relative to `/admin`. */
export interface AdminRoute {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly needs: AdminScope;
  readonly status?: number;
  /** Whether the tenant is closed by it: what is to stand in the tenant's own log is written before. */
  readonly closes?: boolean;
  handle(deps: AdminWorld, request: AdminRequest): Promise<unknown>;
}

const MAX_LISTED_TENANTS = 10_000;
const MAX_LISTED_JOBS = 200;
const MAX_LISTED_ACTS = 1_000;

/** The table of everything served under `/admin`. Bodies and answers are JSON; none holds anything of a patient. */
export const ADMIN_ROUTES: readonly AdminRoute[] = [
  {
    method: 'GET',
    path: 'audit',
    needs: 'admin.read',
    handle: async ({ acts }, { query }) => {
      const number = (name: string) => {
        const text = query.get(name);
        if (text !== null && !/^[1-9]\d{0,14}$/.test(text)) throw invalid(`${name} is no number.`, name);
        return text === null ? undefined : Number(text);
      };
      const rows = await acts.list(Math.min(number('count') ?? 100, MAX_LISTED_ACTS), number('before'));
      return { acts: rows.map(({ at, ...act }) => ({ ...act, at: instant(at) })) };
    },
  },
  {
    method: 'GET',
    path: 'tenants',
    needs: 'admin.read',
    handle: async ({ tenants }) => ({
      tenants: (await tenants.list()).slice(0, MAX_LISTED_TENANTS).map(shownTenant),
    }),
  },
  {
    method: 'POST',
    path: 'tenants',
    needs: 'admin.write',
    status: 201,
    handle: async ({ tenants }, { body }) => {
      const validation = optional(body, 'validation', VALIDATIONS);
      const integrity = optionalFlag(body, 'integrity');
      const indexPrivacy = optional(body, 'indexPrivacy', INDEX_PRIVACY_LEVELS);
      const defaults = {
        ...(indexPrivacy === undefined ? {} : { indexPrivacy }),
        ...(validation === undefined ? {} : { validation }),
        ...(integrity === undefined ? {} : { integrity }),
      };
      return shownTenant(await tenants.create(text(body, 'name'), defaults));
    },
  },
  {
    method: 'GET',
    path: 'tenants/:tenant',
    needs: 'admin.read',
    handle: async (deps, { at }) => {
      const record = await tenantOf(deps, at);
      const { rows } = await deps.tenants.control.query<{ index_privacy: string; key_provider: string }>(
        'select index_privacy, key_provider from tenant where id = $1',
        [record.id],
      );
      return {
        ...shownTenant(record),
        indexPrivacy: rows[0]?.index_privacy,
        keyProvider: rows[0]?.key_provider,
      };
    },
  },
  {
    method: 'POST',
    path: 'tenants/:tenant/suspend',
    needs: 'admin.write',
    closes: true,
    handle: async (deps, { at }) => {
      const { name } = await tenantOf(deps, at);
      return shownTenant(await deps.tenants.setState(name, 'suspended'));
    },
  },
  {
    method: 'POST',
    path: 'tenants/:tenant/resume',
    needs: 'admin.write',
    handle: async (deps, { at }) => {
      const { name } = await tenantOf(deps, at);
      return shownTenant(await deps.tenants.setState(name, 'active'));
    },
  },
  {
    method: 'GET',
    path: 'tenants/:tenant/keys',
    needs: 'admin.read',
    handle: async (deps, { at }) => {
      const { id } = await tenantOf(deps, at);
      const { rows } = await deps.tenants.control.query<{
        purpose: string;
        version: number;
        created_at: bigint;
      }>(
        'select purpose, version, created_at from tenant_key where tenant_id = $1 order by purpose, version',
        [id],
      );
      return {
        keys: rows.map((r) => ({ purpose: r.purpose, version: r.version, created: instant(r.created_at) })),
      };
    },
  },
  {
    method: 'POST',
    path: 'tenants/:tenant/keys/rotate',
    needs: 'admin.write',
    handle: async (deps, { at, body }) => {
      const { name } = await tenantOf(deps, at);
      const level = optional(body, 'level', ROTATION_LEVELS) ?? 'customer';
      const reseal = optionalFlag(body, 'reseal') ?? false;
      if (reseal && level !== 'body' && level !== 'patient')
        throw invalid('"reseal" goes with level body or patient; nothing was done.');
      const { from, ...rotation } = await deps.tenants.rotateKey(name, level);
      const job = reseal && (await requestReseal(deps, await deps.tenants.open(name), { level, from }));
      const index = level === 'index' && (await requestRotateIndex(deps, await deps.tenants.open(name)));
      return {
        ...rotation,
        inUseFrom: instant(from),
        ...(job ? { resealJob: job.id } : {}),
        ...(index ? { indexJob: index.id } : {}),
      };
    },
  },
  {
    method: 'GET',
    path: 'tenants/:tenant/storage',
    needs: 'admin.read',
    handle: async (deps, { at }) => {
      const record = await tenantOf(deps, at);
      const databaseBytes = Number(await deps.tenants.diskBytes(record));
      // A suspended tenant is not opened, not even to be measured.
      if (record.state !== 'active') return { databaseBytes };
      const { pool } = await deps.tenants.open(record.name);
      const { rows } = await pool.query<{ name: string; bytes: bigint; rows: number }>(
        `select relname::text as name, pg_total_relation_size(oid) as bytes, greatest(reltuples, 0)::float8 as rows
         from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by 2 desc`,
      );
      return {
        databaseBytes,
        tables: rows.map((r) => ({ name: r.name, bytes: Number(r.bytes), estimatedRows: r.rows })),
      };
    },
  },
  {
    method: 'GET',
    path: 'tenants/:tenant/jobs',
    needs: 'admin.read',
    handle: async (deps, { at }) => {
      const tenant = await deps.tenants.open((await tenantOf(deps, at)).name);
      const jobs = await deps.jobs.list(tenant);
      return {
        jobs: jobs.slice(0, MAX_LISTED_JOBS).map(({ id, kind, state, progress, error, ...times }) => ({
          id,
          kind,
          state,
          progress,
          error,
          created: instant(times.createdAt),
          ...(times.startedAt === undefined ? {} : { started: instant(times.startedAt) }),
          ...(times.endedAt === undefined ? {} : { ended: instant(times.endedAt) }),
        })),
      };
    },
  },
  {
    method: 'GET',
    path: 'tenants/:tenant/clients',
    needs: 'admin.read',
    handle: async (deps, { at }) => ({
      clients: (await deps.clients.list(await tenantOf(deps, at))).map(shownClient),
    }),
  },
  {
    method: 'POST',
    path: 'tenants/:tenant/clients',
    needs: 'admin.write',
    status: 201,
    handle: async (deps, { at, body }) => {
      const { client, secret } = await deps.clients.register(await tenantOf(deps, at), {
        id: body.client_id === undefined ? undefined : text(body, 'client_id'),
        name: text(body, 'name'),
        kind: optional<ClientKind>(body, 'kind', ['backend', 'app']) ?? 'backend',
        auth: optional<ClientAuth>(body, 'auth', ['private_key_jwt', 'client_secret', 'none']),
        jwks: body.jwks,
        jwksUrl: body.jwks_url === undefined ? undefined : text(body, 'jwks_url'),
        redirectUris: texts(body, 'redirect_uris'),
        scopes: text(body, 'scope'),
      });
      return { ...shownClient(client), ...(secret === undefined ? {} : { client_secret: secret }) };
    },
  },
  {
    method: 'DELETE',
    path: 'tenants/:tenant/clients/:id',
    needs: 'admin.write',
    handle: async (deps, { at }) =>
      shownClient(await deps.clients.revoke(await tenantOf(deps, at), at.id ?? '')),
  },
];

const VALIDATIONS = ['strict', 'structure', 'minimal'] as const satisfies TenantDefaults['validation'][];

async function tenantOf({ tenants }: AdminDeps, at: AdminRequest['at']): Promise<TenantRecord> {
  const found = await tenants.find(at.tenant ?? '');
  if (!found) throw new Fault('not-found', 'There is no tenant of that name.');
  return found;
}

function shownTenant({
  id,
  name,
  state,
  epoch,
  createdAt,
  validation,
  integrity = false,
  indexPrivacy,
  place,
  moving,
}: TenantRecord) {
  const where = { ...(place && { place }), ...(moving && { moving }) };
  return {
    id,
    name,
    state,
    epoch,
    ...where,
    created: instant(createdAt),
    validation,
    integrity,
    indexPrivacy,
  };
}

function shownClient({
  id,
  name,
  kind,
  auth,
  jwks,
  jwksUrl,
  redirectUris,
  scopes,
  createdAt,
  revokedAt,
}: Client) {
  return {
    client_id: id,
    name,
    kind,
    auth,
    scope: scopes,
    // Public keys, as they were registered.
    ...(jwks === undefined || jwks === null ? {} : { jwks }),
    ...(jwksUrl === undefined ? {} : { jwks_url: jwksUrl }),
    ...(redirectUris.length === 0 ? {} : { redirect_uris: redirectUris }),
    created: instant(createdAt),
    ...(revokedAt === undefined ? {} : { revoked: instant(revokedAt) }),
  };
}

const instant = (ms: number | bigint): string => new Date(Number(ms)).toISOString();

function text(body: AdminRequest['body'], name: string): string {
  const value = body[name];
  if (typeof value !== 'string' || value === '') throw invalid(`${name} is missing or no text.`, name);
  return value;
}

function texts(body: AdminRequest['body'], name: string): string[] | undefined {
  const value = body[name];
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || !value.every((v): v is string => typeof v === 'string'))
    throw invalid(`${name} is no list of texts.`, name);
  return value;
}

function optionalFlag(body: AdminRequest['body'], name: string): boolean | undefined {
  const value = body[name];
  if (value !== undefined && typeof value !== 'boolean')
    throw invalid(`${name} is neither true nor false.`, name);
  return value;
}

function optional<T extends string>(
  body: AdminRequest['body'],
  name: string,
  allowed: readonly T[],
): T | undefined {
  const value = body[name];
  if (value === undefined) return undefined;
  const found = allowed.find((a) => a === value);
  if (found === undefined) throw invalid(`${name} is none of ${allowed.join(', ')}.`, name);
  return found;
}
