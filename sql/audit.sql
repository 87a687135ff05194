-- audit_log: every change of analyses, files and keys. Triggers write it, nothing alters it.

-- name: list_record
-- What happened to one row, first to last.
-- $1 record_id uuid
select table_name, record_id, action, old_values, new_values, performed_by, host(ip_address) as ip_address, created_at
from audit_log
where record_id = $1
order by id;
