-- A tenant's database. Every table starts with `part`, the bucket (0..16383) of the patient compartment, and every
-- key contains it, so that the same schema can be distributed. No triggers, no sequences, no volatile defaults.
-- rid, pkey, param, term, unit and target are keyed 64-bit hashes; nothing here names a patient, an identifier or a
-- word of a note. Times are milliseconds since the epoch, UTC.

-- Where a resource lives, found without knowing its part; its primary key is what makes ids unique, and its row is
-- what a writer locks. Listing a type without any other criterion walks it in (rtype, rid) order.
create table locator (
  rtype smallint not null,
  -- A second, independent hash of Type/id: two ids that share a rid are told apart and the later one refused.
  chk int not null,
  rid bigint not null,
  part int not null,
  -- Other parts that hold versions of it, after moves between compartments; null for the many that never moved.
  former int[],
  primary key (rtype, rid)
);

-- The current version of each resource, with its blind terms. A deleted resource keeps its row, without terms.
create table resource (
  part int not null,
  rtype smallint not null,
  rid bigint not null,
  ver int not null,
  lu bigint not null,
  deleted boolean not null,
  -- Made by the NLP from a note.
  derived boolean not null,
  -- rid of the Patient whose compartment it is in; null where it is in none or in several.
  pkey bigint,
  -- Clinical time; null where undated.
  at bigint,
  -- Keyed digest of the content without versionId and lastUpdated: an equal one is not a new version.
  digest bigint not null,
  sid bigint not null,
  slot smallint not null,
  terms bigint[] not null,
  primary key (part, rtype, rid)
);
-- Every search reads the list of pending entries from end to end, so it is kept short; 256 kB costs a load no more than
-- the default of 4 MB, while no list at all costs five times the CPU.
create index resource_terms on resource using gin (terms) with (fastupdate = on, gin_pending_list_limit = 256);
create index resource_timeline on resource (pkey, at desc, rtype, rid) where pkey is not null and not deleted;
create index resource_updated on resource (lu, rtype, rid);
alter table resource alter column terms set statistics 1000;
alter table resource alter column terms set storage main;

-- Every version ever, append-only.
create table version (
  part int not null,
  rtype smallint not null,
  rid bigint not null,
  ver int not null,
  lu bigint not null,
  -- 0 create, 1 update, 2 delete
  op smallint not null,
  sid bigint not null,
  slot smallint not null,
  primary key (part, rtype, rid, ver)
);

-- Sealed bodies: one version or a few versions of one compartment, compressed together. `bind` is a keyed hash of the
-- ordered (type, id, version, time) list inside, part of the associated data.
create table segment (
  part int not null,
  sid bigint not null,
  kv smallint not null,
  -- Room for a key per patient: version of the patient's key, null while the tenant's body key seals.
  pkv smallint,
  bind bigint not null,
  sealed bytea not null,
  primary key (part, sid)
);
alter table segment alter column sealed set storage external;

create table idx_date (
  part int not null,
  rtype smallint not null,
  rid bigint not null,
  param bigint not null,
  lo bigint not null,
  hi bigint not null
);
create index idx_date_row on idx_date (part, rtype, rid, param);
create index idx_date_lo on idx_date (param, lo, rid);
create index idx_date_hi on idx_date (param, hi, rid);

create table idx_quantity (
  part int not null,
  rtype smallint not null,
  rid bigint not null,
  term bigint not null,
  unit bigint not null,
  lo double precision not null,
  hi double precision not null
);
create index idx_quantity_row on idx_quantity (part, rtype, rid);
create index idx_quantity_value on idx_quantity (term, lo, rid);

create table idx_reference (
  part int not null,
  rtype smallint not null,
  rid bigint not null,
  param bigint not null,
  ttype smallint not null,
  target bigint not null
);
create index idx_reference_row on idx_reference (part, rtype, rid, param);
create index idx_reference_target on idx_reference (target, param, rid);

-- Rows in clinical order for the few terms people sort by: type, code, category, patient and code.
create table idx_sorted (
  part int not null,
  rtype smallint not null,
  rid bigint not null,
  term bigint not null,
  at bigint not null
);
create index idx_sorted_row on idx_sorted (part, rtype, rid);
create index idx_sorted_term on idx_sorted (term, at desc, rid);

-- One row per transaction and part: a sealed list of what was done to which versions, by whom.
create table audit (
  part int not null,
  at bigint not null,
  aid uuid not null,
  kv smallint not null,
  sealed bytea not null,
  primary key (part, at, aid)
);

-- The annotation of each DocumentReference version; the row is written in the document's own transaction and is both
-- the queue of the annotation job and where its result is kept.
create table annotation (
  part int not null,
  rid bigint not null,
  ver int not null,
  -- 0 pending, 1 running, 2 done, 3 failed, 4 no text, 5 withdrawn
  state smallint not null,
  attempts smallint not null,
  lease_until bigint not null,
  pipeline text,
  -- Category of the fault only.
  error text,
  kv smallint,
  sealed bytea,
  updated_at bigint not null,
  primary key (part, rid)
);
create index annotation_pending on annotation (state, updated_at) where state in (0, 1);

-- Ledger of import jobs: one row per input file, committed together with the resources it counts.
create table import_file (
  part int not null,
  job uuid not null,
  -- Keyed hash of path and content identity.
  fkey bigint not null,
  -- 0 pending, 1 running, 2 done
  state smallint not null,
  -- Where to go on: entries or lines done.
  done int not null,
  counts jsonb not null,
  -- Sealed: path, rejected lines with reasons.
  sealed bytea not null,
  primary key (part, job, fkey)
);

-- Answers to requests with an Idempotency-Key, kept for a day.
create table idempotency (
  part int not null,
  ikey bigint not null,
  body_digest bigint not null,
  created_at bigint not null,
  kv smallint not null,
  sealed bytea not null,
  primary key (part, ikey)
);

-- The fencing token of the catalog: a writer with a stale epoch is refused.
create table tenant_epoch (
  part int primary key,
  epoch int not null
);
insert into tenant_epoch (part, epoch) values (0, 1);
