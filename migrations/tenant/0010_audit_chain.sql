-- The audit rows of a part form chains: `chain` is SHA-256 of the row before it and a keyed digest of the row itself,
-- which is stored nowhere, so that nobody without the key can take a row out and mend the rest. A part has several
-- strands, one for each connection that writes at the same time, so that writers do not wait for each other's commit.
-- Rows written before this have no place in a chain.
alter table audit add column strand smallint, add column seq bigint, add column chain bytea;
create unique index audit_chain on audit (part, strand, seq) where seq is not null;
-- The log is read by time, newest first.
create index audit_at on audit (at desc, aid);

-- The end of each strand.
create table audit_head (
  part int not null,
  strand smallint not null,
  seq bigint not null,
  at bigint not null,
  chain bytea not null,
  primary key (part, strand)
) with (fillfactor = 70);
-- What was anchored outside this database last; one row, part 0.
create table audit_anchor (
  part int primary key,
  at bigint not null,
  -- Keyed digest of the last anchor written.
  mac bytea not null
);
