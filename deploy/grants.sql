-- Two roles that are not the owner of the database, and exactly what each may do:
--
--   mediaanalysis_service   what `serve` and `worker` log in as: rows as they need them, no more. It cannot change the
--                           schema, remove an analysis, make a key, or read, write or stop the audit log.
--   mediaanalysis_reader    people who look: the views and questions of schema ops, the audit log.
--
-- `mediaanalysis migrate` ends with this, as the owner, where the roles exist or it may make them; so what a release
-- adds is granted when it is installed. Also by hand: psql --file grants.sql. Again and again it does the same.
-- Neither role can log in until somebody says how:
--
--   alter role mediaanalysis_service login password '…';         -- or: create role web login password '…' in role mediaanalysis_service;

do $$
declare
    name text;
begin
    foreach name in array array['mediaanalysis_service', 'mediaanalysis_reader'] loop
        if not exists (select from pg_roles where rolname = name) then
            execute format('create role %I', name);
        end if;
    end loop;
exception when duplicate_object or unique_violation then
    null;  -- the migration of another database of this server was quicker
end $$;

-- Temporary tables are nobody's need, and public is for everyone to read, not to build in (as since PostgreSQL 15).
do $$ begin execute format('revoke temporary on database %I from public', current_database()); end $$;
revoke create on schema public from public;

-- What an earlier release granted and this one does not is taken back.
do $$
declare
    name text;
begin
    for name in select oid::regclass from pg_class
                 where relnamespace in ('public'::regnamespace, 'ops'::regnamespace) and relkind in ('r', 'v')
                   and pg_has_role(relowner, 'usage') loop
        execute format('revoke all on %s from mediaanalysis_service, mediaanalysis_reader', name);
    end loop;
end $$;
revoke all on all functions in schema ops from public, mediaanalysis_service, mediaanalysis_reader;

-- The service. Analyses and files are hidden, never removed. Keys are made and revoked by the owner.
grant select, insert, update on media_analysis_requests, media_files, analysis_stages, lanes to mediaanalysis_service;
grant select, insert, update, delete on processing_jobs, workers, idempotency_keys to mediaanalysis_service;
grant select, insert, delete on job_failures, provider_turns, schedules_fired to mediaanalysis_service;
grant select, insert, update on contact_sheets, transcriptions, media_analysis_results to mediaanalysis_service;
grant select, insert on provider_calls to mediaanalysis_service;
grant select, insert, update on rate_buckets to mediaanalysis_service;
grant select, insert on link_secrets to mediaanalysis_service;
grant select, update (last_used_at) on api_keys to mediaanalysis_service;
grant select on _yoyo_migration, _yoyo_checksum to mediaanalysis_service;
grant usage on schema ops to mediaanalysis_service, mediaanalysis_reader;
grant execute on function ops.place, ops.typical_seconds to mediaanalysis_service, mediaanalysis_reader;
grant execute on function server_since to mediaanalysis_service;

-- The operator who looks. Views show what their owner may see; the functions ask as whoever calls them.
grant select on all tables in schema ops to mediaanalysis_reader;
grant select on media_analysis_requests, media_files, processing_jobs, job_failures, workers, lanes, provider_turns,
    provider_calls, analysis_stages, audit_log to mediaanalysis_reader;
grant execute on function ops.why, ops.held_by, ops.next_free, ops.ordinal, ops.scope_of to mediaanalysis_reader;
