-- Deleted resources keep their row in `locator` and `resource`. They are few: counting a type is counting its locator
-- rows less these.
create index resource_deleted on resource (rtype) where deleted;
