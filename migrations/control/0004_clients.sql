-- Programs and apps that may ask for tokens. No patient data: whom a token is about stands only inside it.
create table client (
  tenant_id uuid not null references tenant (id) on delete cascade,
  id text not null,
  name text not null,
  -- backend: SMART Backend Services; app: SMART App Launch.
  kind text not null check (kind in ('backend', 'app')),
  auth text not null check (auth in ('private_key_jwt', 'client_secret', 'none')),
  jwks jsonb,
  jwks_url text,
  -- SHA-256 of a random secret of 256 bits, which needs no slow hash.
  secret_hash bytea,
  redirect_uris text[] not null default '{}',
  -- The most it is ever granted.
  scopes text not null,
  created_at bigint not null,
  revoked_at bigint,
  primary key (tenant_id, id)
);
create index client_revoked on client (revoked_at) where revoked_at is not null;

-- Assertions and codes that were used, until they expire: each counts once, for every process.
create table used_once (
  issuer text not null,
  token bytea not null,
  expires_at bigint not null,
  primary key (issuer, token)
);
create index used_once_expires on used_once (expires_at);

-- Access tokens that were taken back before their time.
create table revoked_token (
  id text primary key,
  expires_at bigint not null
);

-- Families of refresh tokens: only the newest generation counts, and an older one shown again ends the family.
create table refresh_family (
  id uuid primary key,
  tenant_id uuid not null references tenant (id) on delete cascade,
  client_id text not null,
  generation int not null default 1,
  expires_at bigint not null,
  revoked_at bigint
);
create index refresh_family_expires on refresh_family (expires_at);
