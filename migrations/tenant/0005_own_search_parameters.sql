-- A tenant's own search parameters. `parameters` goes up whenever they change: writers compare it in the statement that
-- fences them, so that nobody indexes by parameters that are no longer in force.
alter table tenant_epoch add column parameters int not null default 0;

-- The parameters themselves, sealed, with how far each is indexed. One row, part 0.
create table own_parameters (
  part int primary key,
  epoch int not null,
  kv smallint not null,
  sealed bytea not null
);
