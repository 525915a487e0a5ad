-- The terms of a resource's rows in idx_sorted, from now on kept with the resource: with its clinical time they lead to
-- those rows through the index that searches read, so that a second one, which took a quarter of what the rows cost to
-- write, is needed for older rows only. Null: written before; its rows are found by `by_row`.
alter table resource add column sorted bigint[];
alter table resource alter column sorted set storage main;
-- Nothing asks for resources by these.
alter table resource alter column sorted set statistics 0;
-- True in the rows that are there already (without writing them anew), null in all that follow.
alter table idx_sorted add column by_row boolean default true;
alter table idx_sorted alter column by_row drop default;
drop index idx_sorted_row;
create index idx_sorted_by_row on idx_sorted (part, rtype, rid) where by_row;
