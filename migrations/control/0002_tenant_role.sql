-- Each tenant's database is reached with a role of its own, whose password is wrapped by the tenant key. Null for
-- none: such a tenant cannot be opened.
alter table tenant add column role text unique;
alter table tenant add column role_secret bytea;
