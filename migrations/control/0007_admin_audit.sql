-- What administrators did, by /admin and the command line: no patient data. Rows form one chain: `chain` is SHA-256 of the
-- row before and a keyed digest of the row itself, which is stored nowhere.
create table admin_audit (
  seq bigint primary key,
  at bigint not null,
  entry text not null,
  chain bytea not null
);
-- Its end; one row.
create table admin_audit_head (
  one boolean primary key default true check (one),
  seq bigint not null,
  chain bytea not null
);
insert into admin_audit_head (seq, chain) values (0, '');
