-- What an import refused, a row for each commit that refused something: the ledger's rows are written anew with every
-- commit and must stay small however many lines are bad.
create table import_error (
  part int not null,
  job uuid not null,
  fkey bigint not null,
  -- Where the file stood when these were noted; -1 for those of its end. A commit that is done again replaces its row.
  position int not null,
  count int not null,
  -- Sealed: list of file, line, element, code and message.
  sealed bytea not null,
  primary key (part, job, fkey, position)
);
