-- Where a tenant's database is: the name of a configured place, null for the server of the control database. `moving` says that
-- it is being copied to another place: `copying` while reads go on and writes are refused, `switching` in the moment in which
-- nobody is let in.
alter table tenant
  add column if not exists place text,
  add column if not exists moving text check (moving in ('copying', 'switching'));
-- Other databases of a tenant than the one it works in: one that a move fills now, one that a move left unfinished, one that it
-- was moved away from. Each is dropped by its row, which goes last.
create table if not exists tenant_place (
  tenant_id uuid not null references tenant (id) on delete cascade,
  database text not null,
  place text,
  state text not null check (state in ('copying', 'abandoned', 'former')),
  since bigint not null,
  primary key (tenant_id, database)
);
