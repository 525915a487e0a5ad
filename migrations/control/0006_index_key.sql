-- Versions of the key that the terms of the index are made under. While it is changed there are two: rows are written
-- under both, and searches ask under `index_version`. `index_phase` counts the steps; a tenant's database refuses writers
-- that have not taken the last one. `identity` holds the derived keys of hashed ids and digests, which stay as they are
-- when the key they came from is destroyed.
alter table tenant
  add column index_version int not null default 1,
  add column index_phase int not null default 0,
  add column index_phase_at bigint not null default 0;
alter table tenant_key drop constraint tenant_key_purpose_check;
alter table tenant_key add constraint tenant_key_purpose_check
  check (purpose in ('tenant', 'body', 'patient', 'index', 'identity', 'audit', 'export'));
