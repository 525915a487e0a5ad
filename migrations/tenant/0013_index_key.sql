-- The step of a change of the index key (`index_phase` of the catalog) that every writer must have taken.
alter table tenant_epoch add column least_index int not null default 0;
