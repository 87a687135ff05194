-- media_analysis_requests: what clients ask for, from acceptance to outcome.
--
-- A change of state is one guarded statement. Whoever touches a job and its analysis locks the job first, always: the
-- worker that ends a job does it in that order, and two orders would be a deadlock.

-- name: accept
-- Accept requests that arrived together: analysis, uploaded file, idempotency key and job, each request for itself.
-- Row for each, by position: accepted, replayed (same key, same request), reused (the same question is under way),
-- mismatch (same key, another request), conflict (same key, being accepted elsewhere at this moment), source_missing,
-- rate_limited or too_many_active (with seconds until it may do; and what is left of the owner's rate).
-- $1 requests jsonb
with request as materialized (
    select item.*, source.id is not null or item.source_analysis_id is null as has_source
    from rows from (jsonb_to_recordset($1) as (
        id uuid, correlation_id uuid, owner_id uuid, source_analysis_id uuid, media_url text, original_filename text,
        prompt text, prompt_hash text, media_type media_type_enum, priority integer, config jsonb, options jsonb,
        metadata jsonb, callback_url text, key text, fingerprint text, actor text, address text, original jsonb,
        bucket_id uuid, submits_per_minute bigint, max_active bigint
    )) with ordinality as item (
        id, correlation_id, owner_id, source_analysis_id, media_url, original_filename, prompt, prompt_hash, media_type,
        priority, config, options, metadata, callback_url, key, fingerprint, actor, address, original,
        bucket_id, submits_per_minute, max_active, position
    )
    left join media_analysis_requests source
           on source.id = item.source_analysis_id and source.owner_id = item.owner_id and source.status <> 'deleted'
), known as materialized (
    select stored.owner_id, stored.key, stored.fingerprint, stored.analysis_id
    from idempotency_keys stored
    join request using (owner_id, key)
    where stored.expires_at > now()
), alike as materialized (
    -- Of those that would share an analysis the first makes one, unless there is one. In the order of the questions, and
    -- before owners are counted: batches of two processes wait for each other, never in a circle.
    select position, first_value(id) over same as leader_id, coalesce(unfinished, first_value(id) over same) as analysis_id
    from (select position, id, owner_id, prompt_hash, find_unfinished(owner_id, prompt_hash) as unfinished
          from (select * from request
                where key is null and has_source and options @> '{"reuse": true}' order by owner_id, prompt_hash) asked) found
    window same as (partition by owner_id, prompt_hash order by position)
), candidate as materialized (
    select asking.*,
           row_number() over (partition by owner_id, bucket_id, submits_per_minute, max_active order by position) as turn
    from (select request.*, row_number() over (partition by owner_id, key order by position) as repetition from request) asking
    left join known using (owner_id, key)
    left join alike using (position)
    where has_source and known.key is null and (alike.position is null or alike.analysis_id = asking.id)
      and (asking.key is null or repetition = 1)
), admission as materialized (
    select verdict.owner_id, bucket_id, submits_per_minute, max_active, admitted, refusal, remaining, wait_seconds
    from (select jsonb_agg(asking) as all_asking
          from (select owner_id, bucket_id, submits_per_minute, max_active, count(*) as requests
                from candidate where submits_per_minute > 0 or max_active > 0
                group by owner_id, bucket_id, submits_per_minute, max_active) asking) limited
    cross join lateral admit(all_asking) as verdict
    where all_asking is not null
), claimed as (
    -- In the order of the keys, for the same reason.
    insert into idempotency_keys (owner_id, key, fingerprint, analysis_id)
    select distinct on (owner_id, key) owner_id, key, fingerprint, id
    from candidate left join admission using (owner_id, bucket_id, submits_per_minute, max_active)
    where key is not null and (admitted is null or turn <= admitted)
    order by owner_id, key, position
    on conflict (owner_id, key) do update
       set fingerprint = excluded.fingerprint, analysis_id = excluded.analysis_id, expires_at = excluded.expires_at
     where idempotency_keys.expires_at <= now()
    returning owner_id, key, fingerprint, analysis_id
), fresh as materialized (
    select candidate.*
    from candidate
    left join admission using (owner_id, bucket_id, submits_per_minute, max_active)
    left join claimed on claimed.analysis_id = candidate.id
    where (candidate.key is null or claimed.analysis_id is not null) and (admitted is null or turn <= admitted)
), author as materialized (
    -- For the audit trigger, which runs when this statement ends.
    select set_config('mediaanalysis.authors', jsonb_object_agg(id, jsonb_build_array(actor, address))::text, true)
    from fresh
), accepted as (
    insert into media_analysis_requests (
        id, correlation_id, owner_id, source_analysis_id, media_url, original_filename, prompt, prompt_hash, media_type,
        priority, config, options, metadata, callback_url)
    select id, correlation_id, owner_id, source_analysis_id, media_url, original_filename, prompt, prompt_hash, media_type,
           priority, config, options, metadata, callback_url
    from fresh cross join (select count(*) from author) as known_author
    returning id, created_at
), uploaded as (
    insert into media_files (
        request_id, kind, filename, original_path, storage_path, size_bytes, mime_type, checksum, retention_days, expires_at)
    select fresh.id, 'original', file.filename, fresh.original_filename, file.storage_path, file.size_bytes, file.mime_type,
           file.checksum, file.retention_days, now() + make_interval(days => file.retention_days)
    from fresh
    cross join lateral jsonb_to_record(fresh.original) as file (
        filename text, storage_path text, size_bytes bigint, mime_type text, checksum text, retention_days integer)
    where jsonb_typeof(fresh.original) = 'object'
), enqueued as (
    insert into processing_jobs (kind, request_id, owner_id, priority, run_at, sort_key)
    select 'analyze', id, owner_id, priority, now(), now() - make_interval(mins => priority) from fresh
), woken as materialized (
    select wake_workers() from fresh limit 1
)
select case
           when accepted.id is not null then 'accepted'
           when holder.fingerprint = request.fingerprint then 'replayed'
           when holder.fingerprint is not null then 'mismatch'
           when not has_source then 'source_missing'
           when alike.analysis_id <> request.id and (leader.id is not null or leader_id <> alike.analysis_id) then 'reused'
           when refusal is not null then refusal
           else 'conflict'
       end as outcome,
       coalesce(accepted.id, holder.analysis_id, alike.analysis_id) as analysis_id,
       remaining, coalesce(wait_seconds, 0) as wait_seconds
from request
left join accepted on accepted.id = request.id
left join alike using (position)
left join accepted leader on leader.id = alike.leader_id
left join admission using (owner_id, bucket_id, submits_per_minute, max_active)
left join lateral (
    select fingerprint, analysis_id from claimed where claimed.owner_id = request.owner_id and claimed.key = request.key
    union all
    select fingerprint, analysis_id from known where known.owner_id = request.owner_id and known.key = request.key
    limit 1
) holder on true
cross join (select count(*) from woken) as once
order by request.position;

-- name: read_statuses
-- Where analyses of these owners stand; deleted ones too, to say that they were. Row for each that is there, with its
-- place in the question, from 1.
-- $1 analysis_ids uuid[], $2 owner_ids uuid[]
select wanted.position, id, correlation_id, status, progress, stage, media_type, media_url, original_filename, result_summary,
       error_code, error_message, retry_count, created_at, updated_at, started_at, completed_at, deleted_at
from unnest($1::uuid[], $2::uuid[]) with ordinality as wanted (analysis_id, owner, position)
join media_analysis_requests on id = wanted.analysis_id and owner_id = wanted.owner;

-- name: read_analysis
-- All that is known of one analysis of this owner itself; deleted ones too.
-- $1 analysis_id uuid, $2 owner_id uuid
select id, correlation_id, owner_id, source_analysis_id, media_url, original_filename, prompt, media_type, status, priority,
       config, options, progress, stage, model_used, latency_ms, error_code, error_message, retry_count, warnings, metadata,
       callback_url, result_summary, created_at, updated_at, started_at, completed_at, deleted_at
from media_analysis_requests
where id = $1 and owner_id = $2;

-- name: read_work
-- What a worker needs to run an analysis; no row where nobody waits for it any more.
-- $1 analysis_id uuid
select id, correlation_id, owner_id, source_analysis_id, media_url, original_filename, prompt, media_type as required_type,
       config, options, callback_url, created_at
from media_analysis_requests
where id = $1 and status in ('pending', 'processing');

-- name: advance
-- Progress of the worker that holds the job: never falling, extends the deadline. No row: the job was taken away.
-- $1 analysis_id uuid, $2 job_id bigint, $3 fence bigint, $4 report jsonb
with held as (
    update processing_jobs
       set deadline_at = now() + make_interval(secs => timeout_seconds)
     where id = $2 and fence = $3 and state = 'running' and request_id = $1
    returning request_id
)
update media_analysis_requests analysis
   set status = 'processing',
       stage = report.stage,
       progress = greatest(analysis.progress, report.progress),
       media_type = coalesce(report.media_type, analysis.media_type),
       started_at = coalesce(analysis.started_at, now()),
       updated_at = now()
  from held cross join jsonb_to_record($4) as report (stage text, progress smallint, media_type media_type_enum)
 where analysis.id = held.request_id and analysis.status in ('pending', 'processing')
returning analysis.id;

-- name: complete
-- The result is stored. Inside the transaction that ends the job under its fence. No row: cancelled or deleted meanwhile.
-- $1 analysis_id uuid, $2 summary jsonb, $3 model text, $4 warnings jsonb
update media_analysis_requests
   set status = 'completed', progress = 100, result_summary = $2, model_used = $3, warnings = $4,
       latency_ms = 1000 * extract(epoch from now() - coalesce(started_at, created_at)),
       error_code = null, error_message = null, completed_at = now(), updated_at = now()
 where id = $1 and status in ('pending', 'processing')
returning id;

-- name: cancel
-- Stop it: a queued job is gone at once, a running one is told to its worker. Row: `cancelled`, `cancelling`, or
-- `wrong_state` where it has ended; none where the owner has no such analysis. `moved`, and nothing done: another
-- change gave it a job after this statement began, which only another statement can see. The last attempt takes an
-- analysis without a job for what it seems.
-- $1 analysis_id uuid, $2 owner_id uuid, $3 actor text, $4 address text, $5 last boolean
with author as materialized (
    select set_config('mediaanalysis.actor', $3, true), set_config('mediaanalysis.address', $4, true)
), job as materialized (
    select id, state from processing_jobs where request_id = $1 and owner_id = $2 and kind = 'analyze' for no key update
), analysis as materialized (
    -- After the job, and as it is once the lock is ours.
    select id, status from media_analysis_requests
     where id = $1 and owner_id = $2 and (select count(*) from job) >= 0
       for no key update
), stopped as (
    delete from processing_jobs using job, analysis
     where processing_jobs.id = job.id and job.state = 'queued' and analysis.status in ('pending', 'processing')
    returning processing_jobs.id
), told as (
    -- By the state that was locked: the row as this statement first saw it may not have been claimed yet.
    update processing_jobs
       set cancel_requested_at = coalesce(cancel_requested_at, now()),
           cancel_requested_by = coalesce(cancel_requested_by, jsonb_build_array($3, $4))
      from job, analysis
     where processing_jobs.id = job.id and job.state = 'running' and analysis.status in ('pending', 'processing')
    returning pg_notify('mediaanalysis_cancel', processing_jobs.id || ' ' || processing_jobs.fence)
), cancelled as (
    update media_analysis_requests
       set status = 'cancelled', completed_at = now(), updated_at = now()
     where id in (select analysis.id from analysis, author where analysis.status in ('pending', 'processing'))
       and (exists (select from stopped) or ($5 and not exists (select from told)))
    returning id
)
select case
           when exists (select from cancelled) then 'cancelled'
           when exists (select from told) then 'cancelling'
           when status in ('pending', 'processing') then 'moved'
           else 'wrong_state'
       end as outcome
from analysis
where status <> 'deleted';

-- name: delete
-- Hide them, and stop their work: each for itself, in one commit. Commits that tell of changes wait for each other, so
-- those that come together share one. Row for each the owner has, with its place in the question, from 1: `deleted`, or
-- `gone` where it was deleted before. `moved`, and nothing done: as with `cancel`.
-- $1 analysis_ids uuid[], $2 owner_ids uuid[], $3 actors text[], $4 addresses text[], $5 last boolean[]
with wanted as materialized (
    select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::boolean[]) with ordinality
        as asked (analysis_id, owner_id, actor, address, last, position)
), job as materialized (
    -- In the order of the jobs: batches of two processes wait for each other, never in a circle.
    select id, request_id, state from processing_jobs
     where request_id = any($1) and kind = 'analyze' and (request_id, owner_id) in (select analysis_id, owner_id from wanted)
     order by id for no key update
), analysis as materialized (
    select id, owner_id, status
      from media_analysis_requests
     where id = any($1) and (id, owner_id) in (select analysis_id, owner_id from wanted) and (select count(*) from job) >= 0
     order by id for no key update
), verdict as materialized (
    select wanted.position, analysis.id, status,
           status in ('pending', 'processing') and not last and not exists (select from job where request_id = analysis.id) as moved
      from wanted join analysis on analysis.id = wanted.analysis_id and analysis.owner_id = wanted.owner_id
), author as materialized (
    -- Whoever asks for what is another's is not its author.
    select set_config('mediaanalysis.authors',
                      jsonb_object_agg(verdict.id, jsonb_build_array(nullif(actor, ''), address))::text, true)
    from verdict join wanted using (position)
), stopped as (
    delete from processing_jobs using job where processing_jobs.id = job.id and job.state = 'queued'
), told as (
    update processing_jobs
       set cancel_requested_at = coalesce(cancel_requested_at, now())
      from job
     where processing_jobs.id = job.id and job.state = 'running'
    returning pg_notify('mediaanalysis_cancel', processing_jobs.id || ' ' || processing_jobs.fence)
), hidden as (
    update media_analysis_requests
       set status = 'deleted', deleted_at = now(), updated_at = now()
     where id in (select verdict.id from verdict, author where verdict.status <> 'deleted' and not moved)
)
select position, case when moved then 'moved' when status = 'deleted' then 'gone' else 'deleted' end as outcome from verdict;

-- name: retry
-- Run a failed or cancelled analysis again, from the stage that was not finished. Row: `retried`, `wrong_state`,
-- `exhausted` after ten times, or why the owner's limits forbid it; none where the owner has no such analysis.
-- $1 analysis_id uuid, $2 owner_id uuid, $3 actor text, $4 address text, $5 limits jsonb
with author as materialized (
    select set_config('mediaanalysis.actor', $3, true), set_config('mediaanalysis.address', $4, true)
), analysis as materialized (
    select id, status, retry_count from media_analysis_requests where id = $1 and owner_id = $2 for no key update
), admission as materialized (
    select admitted, refusal
    from analysis
    cross join lateral admit(jsonb_build_array($5::jsonb || jsonb_build_object('owner_id', $2, 'requests', 1)))
    where status in ('failed', 'cancelled') and retry_count < 10
), again as (
    update media_analysis_requests
       set status = 'pending', progress = 0, stage = null, error_code = null, error_message = null,
           retry_count = media_analysis_requests.retry_count + 1, started_at = null, completed_at = null, updated_at = now()
      from analysis, author, admission
     where media_analysis_requests.id = analysis.id and admitted > 0
    returning media_analysis_requests.id, owner_id, priority
), enqueued as (
    insert into processing_jobs (kind, request_id, owner_id, priority, run_at, sort_key)
    select 'analyze', id, owner_id, priority, now(), now() - make_interval(mins => priority) from again
), woken as materialized (
    select wake_workers() from again
)
select case
           when exists (select from again) then 'retried'
           when refusal is not null then refusal
           when status in ('failed', 'cancelled') then 'exhausted'
           else 'wrong_state'
       end as outcome
from analysis left join admission on true cross join (select count(*) from woken) as once
where status <> 'deleted';
