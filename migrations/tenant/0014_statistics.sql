-- A sample of 300 rows for each point of the highest target is read whenever the table is analysed, and each term of each
-- row is counted: 1000 made an ANALYZE of a large table 2.6 s of CPU, and autovacuum did several during a load. 300 still
-- tells terms that one row in 1,700 has; rarer ones are all taken for half of that.
alter table resource alter column terms set statistics 300;
-- Shares of terms change far less than their numbers; an import analyses in the end what it has changed by a tenth.
alter table resource set (autovacuum_analyze_scale_factor = 0.5);
