-- Looking at the whole: is the database there, how long is the queue, how long does work take.

-- name: ping
-- The database answers, and takes writes.
select not pg_is_in_recovery();

-- name: read_server_version
-- Version of the server as a number: 180004 is 18.4.
select current_setting('server_version_num')::integer;

-- name: read_role
-- Who we are to the database, and whether the audit log is safe from us; no row before it is migrated.
select current_user::text as name,
       pg_has_role(relowner, 'usage') or has_table_privilege(oid, 'insert, update, delete, truncate, trigger') as alters_audit
from pg_class
where oid = to_regclass('audit_log');

-- name: read_queue
-- Live jobs by kind and state, with the age of the oldest that is due.
select kind, state, count(*) as jobs,
       coalesce(extract(epoch from now() - min(run_at) filter (where run_at <= now())), 0)::float8 as oldest_seconds
from processing_jobs
group by kind, state
order by kind, state;

-- name: read_pace
-- Median milliseconds of the owner's latest completed analyses, by media type; no row where none of them was timed.
-- $1 owner_id uuid
select kind.media_type, percentile_cont(0.5) within group (order by latest.latency_ms) as latency_ms
from unnest(enum_range(null::media_type_enum)) as kind (media_type)
cross join lateral (
    select a.latency_ms
    from media_analysis_requests a
    where a.owner_id = $1 and a.status = 'completed' and a.media_type = kind.media_type
    order by coalesce(a.completed_at, '-infinity') desc, a.id desc
    limit 20
) latest
group by kind.media_type
having count(latest.latency_ms) > 0;
