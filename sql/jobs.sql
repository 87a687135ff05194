-- processing_jobs: live jobs, queued or running. What ended has left.
--
-- A job's life is three statements: `enqueue`, `claim`, and one that ends the attempt. Every write for a running job
-- carries (id, fence). The fence rises at each claim and each take-away, so what comes from a worker that lost the job
-- matches no row and changes nothing. Work that becomes due wakes a worker only if one waits (wake_workers).
--
-- Nobody holds the fence of a queued job, so the state is not asked; and `id = any(…)` stands beside joins. Both keep the
-- planner, with the statistics of a table that was empty a minute ago, from preferring another index to the primary key.

-- name: enqueue
-- New jobs, one for each element; ids in no particular order.
-- $1 kinds text[], $2 request_ids uuid[], $3 owner_ids uuid[], $4 priorities integer[],
-- $5 delays_seconds float8[], $6 timeouts_seconds integer[], $7 payloads jsonb[]
with added as (
    insert into processing_jobs (kind, request_id, owner_id, priority, run_at, sort_key, timeout_seconds, payload)
    select job.kind, job.request_id, job.owner_id, job.priority, due.run_at,
           due.run_at - make_interval(mins => job.priority), job.timeout_seconds, job.payload
    from unnest($1::text[], $2::uuid[], $3::uuid[], $4::integer[], $5::float8[], $6::integer[], $7::jsonb[])
        as job (kind, request_id, owner_id, priority, delay_seconds, timeout_seconds, payload)
    cross join lateral (select now() + make_interval(secs => job.delay_seconds) as run_at) due
    returning id
), woken as materialized (
    select wake_workers()
)
select added.id from added cross join (select count(*) from woken) as once;

-- name: claim
-- Up to `free` jobs, now running for this worker. See the function for how; no rows also where the worker was declared dead.
-- $1 worker_id bigint, $2 kinds text[], $3 free integer, $4 served lane_floor, $5 known lane_floor[]
select id, fence, kind, attempt, max_attempts, crashes, owner_id, request_id, deadline_at, payload, sort_key, run_at
from claim_jobs($1, $2, $3, $4, $5);

-- name: complete
-- Done: these jobs leave. Ids that do not come back were taken away, or a cancel came first.
-- $1 ids bigint[], $2 fences bigint[]
select complete_jobs($1, $2) as id;

-- name: settle
-- All other endings: `fail` and `cancel` remove the job; `retry` puts it back for later, `defer` likewise with the attempt
-- returned; `release` to its old place with the attempt returned, `crash` likewise and counts the lost worker. An analysis follows its job. A cancel that was asked
-- for wins over going back. Rows: the ids that were accepted.
-- $1 endings jsonb
with verdict as materialized (
    select job.id, job.kind, job.request_id, job.cancel_requested_by, said.code, said.message, said.stage,
           case when job.cancel_requested_at is not null and said.verb <> 'fail' then 'cancel' else said.verb end as verb,
           case when said.verb in ('retry', 'defer') then now() + make_interval(secs => said.delay_seconds) else job.run_at end as run_at
    from jsonb_to_recordset($1) as said (
        id bigint, fence bigint, verb text, delay_seconds float8, code text, message text, stage text)
    join processing_jobs job on job.id = said.id and job.fence = said.fence
    where job.id = any(array(select (ending ->> 'id')::bigint from jsonb_array_elements($1) ending))
    for no key update of job
), gone as (
    delete from processing_jobs job
    where job.id = any(array(select v.id from verdict v where v.verb in ('fail', 'cancel')))
    returning job.*
), dead as (
    insert into job_failures (job_id, kind, request_id, owner_id, priority, max_attempts, timeout_seconds,
                              payload, attempts, crashes, stage, error_code, error_message)
    select gone.id, gone.kind, gone.request_id, gone.owner_id, gone.priority, gone.max_attempts,
           gone.timeout_seconds, gone.payload, gone.attempt, gone.crashes, v.stage, v.code, v.message
    from gone join verdict v using (id) where v.verb = 'fail'
), back as (
    update processing_jobs job
    set state = 'queued', fence = job.fence + 1, worker_id = null, started_at = null, deadline_at = null,
        attempt = job.attempt - (v.verb <> 'retry')::integer,
        crashes = job.crashes + (v.verb = 'crash')::integer,
        run_at = v.run_at, sort_key = v.run_at - make_interval(mins => job.priority),
        last_error = coalesce(v.code || ': ' || v.message, job.last_error)
    from verdict v
    where job.id = any(array(select v.id from verdict v)) and job.id = v.id and v.verb in ('retry', 'defer', 'release', 'crash')
    returning job.id, job.run_at
), author as materialized (
    -- For the audit trigger: an analysis that is cancelled now was cancelled by whoever asked for it.
    select set_config('mediaanalysis.authors', jsonb_object_agg(v.request_id, v.cancel_requested_by)::text, true)
    from verdict v
    where v.verb = 'cancel' and v.kind = 'analyze' and v.cancel_requested_by is not null
    having count(*) > 0
), followed as (
    update media_analysis_requests analysis
    set status = ending.status, updated_at = now(),
        completed_at = case when ending.status <> 'pending' then now() end,
        error_code = case when ending.status = 'failed' then v.code end,
        error_message = case when ending.status = 'failed' then v.message end
    from verdict v
    cross join lateral (select case v.verb when 'fail' then 'failed' when 'cancel' then 'cancelled' else 'pending'
                               end::media_analysis_status as status) ending
    cross join (select count(*) from author) as known_author
    where analysis.id = any(array(select v.request_id from verdict v where v.kind = 'analyze'))
      and analysis.id = v.request_id and analysis.status in ('pending', 'processing')
), woken as materialized (
    select wake_workers() where exists (select from back where back.run_at <= now())
)
select verdict.id from verdict cross join (select count(*) from woken) as once;

-- name: extend_deadline
-- Progress: the attempt may be silent for `timeout_seconds` from now. No row: stop, the job was taken away or cancelled.
-- $1 id bigint, $2 fence bigint
update processing_jobs
set deadline_at = now() + make_interval(secs => timeout_seconds)
where id = $1 and fence = $2 and cancel_requested_at is null
returning deadline_at;

-- name: find_abandoned
-- Running jobs that nobody drives any more: their worker is gone, or lives and let the deadline pass by ten seconds.
select job.id, job.fence, job.kind, job.request_id, job.attempt, job.max_attempts, job.crashes, worker.id is null as lost
from processing_jobs job
left join workers worker on worker.id = job.worker_id
where job.state = 'running' and (worker.id is null or job.deadline_at < now() - interval '10 seconds')
limit 1000;

-- name: read_place
-- How far a waiting analysis is from its turn and from its end; no row where it does not wait. See ops.place.
-- $1 analysis_id uuid
select ahead, estimated_seconds from ops.place($1);
