-- What a creation of a tenant has made or is about to make, written before it is made and gone with its end. A row whose
-- maker no longer holds its lock is of a process that ended in between: the next creation clears up after it.
create table if not exists tenant_making (
  id uuid primary key,
  key_provider text not null,
  key_ref text not null,
  database text not null,
  role text not null,
  started_at bigint not null
);
