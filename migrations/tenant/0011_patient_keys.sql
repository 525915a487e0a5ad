-- A key for each patient's record, so that destroying one row makes every copy of that record unreadable. What is
-- sealed with `owner` needs this key and the body key both. `wv` is the version of the tenant's key that wraps it.
create table patient_key (
  part int not null,
  -- rid of the Patient whose compartment it is for, or of a Binary, which belongs to no compartment.
  owner bigint not null,
  wv int not null,
  wrapped bytea not null,
  primary key (part, owner)
);

-- Null: sealed under the tenant's body key alone, as what belongs to no one patient is, and all that is older.
alter table segment add column owner bigint;
-- The room that was kept for it; nothing was ever in it.
alter table segment drop column pkv;
alter table annotation add column owner bigint;

-- `keys` counts the times that patients' keys went: a writer that remembers one compares it. No writer may seal under
-- a version below the least of its kind; those keys are destroyed or about to be.
alter table tenant_epoch
  add column keys int not null default 1,
  add column least_body int not null default 0,
  add column least_patient int not null default 0;
