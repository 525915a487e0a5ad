-- The key that wraps patients' own keys. Tenants from before have none until it is rotated for the first time.
alter table tenant_key drop constraint tenant_key_purpose_check;
alter table tenant_key add constraint tenant_key_purpose_check
  check (purpose in ('tenant', 'body', 'patient', 'index', 'audit', 'export'));
