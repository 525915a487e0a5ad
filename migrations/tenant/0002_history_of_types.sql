-- History of a type and of the whole system, newest first (R4 http.html#history). A type's versions stand together;
-- the system's are merged from the types' own ends. New rows of a type come at its end of the index.
create index version_of_type on version (rtype, lu, rid, ver);
