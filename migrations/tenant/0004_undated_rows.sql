-- Resources without a clinical time come last in every clinical order; without this they are found only by reading
-- the whole type.
create index resource_undated on resource (rtype, rid) where at is null and not deleted;
