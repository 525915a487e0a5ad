-- Ranges of dates and quantities are found by their beginning where they are short (31 days; quantities: points), the
-- few long ones by their end. Both ends are in each index, so that what is out of the range is left out there. This
-- replaces an index by the end of every row.
drop index if exists idx_date_lo;
drop index if exists idx_date_hi;
drop index if exists idx_quantity_value;
create index if not exists idx_date_from on idx_date (param, lo, hi, rid);
create index if not exists idx_date_long on idx_date (param, hi, lo, rid) where not (hi - lo <= 2678400000);
create index if not exists idx_quantity_from on idx_quantity (term, lo, hi, rid);
create index if not exists idx_quantity_long on idx_quantity (term, hi, lo, rid) where not (hi <= lo);
