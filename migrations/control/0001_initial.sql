-- Control database: the catalog of tenants, their wrapped keys, and jobs. No patient data, no names of files.
create table tenant (
  id uuid primary key,
  name text not null unique,
  database text not null unique,
  state text not null check (state in ('active', 'suspended', 'shredded')),
  epoch int not null default 1,
  -- Reference of the customer's key in the key provider.
  key_provider text not null,
  key_ref text not null,
  index_privacy text not null default 'exact' check (index_privacy in ('exact', 'bucketed', 'none')),
  created_at bigint not null
);

-- Data keys by purpose, each wrapped by the tenant key, which is wrapped by the customer's own key.
create table tenant_key (
  tenant_id uuid not null references tenant (id),
  purpose text not null check (purpose in ('tenant', 'body', 'index', 'audit', 'export')),
  version int not null,
  wrapped bytea not null,
  created_at bigint not null,
  primary key (tenant_id, purpose, version)
);

create table job (
  id uuid primary key,
  tenant_id uuid not null references tenant (id),
  kind text not null,
  state text not null check (state in ('queued', 'running', 'done', 'failed', 'cancelled')),
  -- Sealed under the tenant's keys: paths and names of files may name patients.
  params bytea not null,
  -- Counts only.
  progress jsonb not null default '{}',
  result bytea,
  -- One word of the fault's category and a text without patient data.
  error text,
  -- The lease: a worker holds the job until lease_until and commits only while its lease_epoch is the row's.
  lease_epoch int not null default 0,
  lease_until bigint not null default 0,
  created_at bigint not null,
  started_at bigint,
  ended_at bigint
);
create index job_claim on job (state, created_at) where state in ('queued', 'running');
create index job_of_tenant on job (tenant_id, created_at desc);
