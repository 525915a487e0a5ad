-- What a tenant asks of whatever is written to it, where a request says nothing else. Null: as the server is set.
alter table tenant add column validation text check (validation in ('strict', 'structure', 'minimal'));
-- Whether a literal reference must name a resource that is here, and a resource that is referred to stays.
alter table tenant add column integrity boolean not null default false;
