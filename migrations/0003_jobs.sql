-- The queue: work to be done, work that could not be done, who does it, and what holds it back.
-- depends: 0001_types_and_analyses

-- Hot and narrow. A row lives only while its job is queued or running: the statement that records how a job ended
-- deletes it, so a claim costs the same whatever lies behind us. Every row is rewritten about twice in its life, hence
-- room on each page and an eager autovacuum. Nothing that beats, progresses or extends a deadline is indexed (HOT).
create table processing_jobs (
    id                  bigint generated always as identity primary key,
    kind                text not null check (kind <> ''),
    request_id          uuid,
    owner_id            uuid not null default '00000000-0000-0000-0000-000000000000',
    state               text not null default 'queued' check (state in ('queued', 'running')),
    priority            integer not null default 5 check (priority between 0 and 10),
    run_at              timestamptz not null default now(),
    sort_key            timestamptz not null default now() - interval '5 minutes',
    attempt             integer not null default 0 check (attempt >= 0),
    max_attempts        integer not null default 5 check (max_attempts > 0),
    crashes             integer not null default 0 check (crashes >= 0),
    fence               bigint not null default 0,
    worker_id           bigint,
    started_at          timestamptz,
    deadline_at         timestamptz,
    timeout_seconds     integer not null default 3600 check (timeout_seconds > 0),
    cancel_requested_at timestamptz,
    cancel_requested_by jsonb,
    last_error          text,
    payload             jsonb not null default '{}',
    check (state = 'queued' or (worker_id is not null and started_at is not null and deadline_at is not null))
) with (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.05,
    autovacuum_analyze_threshold = 1000
);

-- The claim: lanes (owner, kind) are found by hopping over the first two columns, the head of a lane by the rest.
-- Whatever can be held back is part of the prefix, so a held-back backlog is hopped over, never read.
create index processing_jobs_queue on processing_jobs (owner_id, kind, sort_key, run_at, id)
    where state = 'queued';
comment on index processing_jobs_queue is 'The claim: hops from lane to lane, then reads a lane from its head.';

-- Limits are counted, rescues and deadlines are found among the running: a handful of rows, whatever waits.
create index processing_jobs_running on processing_jobs (owner_id) where state = 'running';
comment on index processing_jobs_running is 'Running jobs: counted for limits, looked through for lost workers and deadlines.';

-- At most one live `analyze` job for an analysis; and how a cancel finds it.
create unique index processing_jobs_analysis on processing_jobs (request_id) where kind = 'analyze';
comment on index processing_jobs_analysis is 'One live analyze job for an analysis; how a cancel finds it.';

comment on table processing_jobs is
    'Live jobs only: queued or running. A job that ended has left this table (what failed stands in job_failures).';
comment on column processing_jobs.id is 'Number of the job; with fence, the right to write for it.';
comment on column processing_jobs.kind is 'What is to be done: analyze, deliver_webhook, sweep_files, … Decides the handler.';
comment on column processing_jobs.request_id is 'The analysis (media_analysis_requests.id) this works for, if any.';
comment on column processing_jobs.owner_id is 'Who asked. Owners take turns; all zeros: the service itself.';
comment on column processing_jobs.state is 'queued (waiting, also for run_at or a retry) or running (claimed).';
comment on column processing_jobs.priority is '0 to 10, higher first. One point is worth one minute of waiting.';
comment on column processing_jobs.run_at is 'Not before this time.';
comment on column processing_jobs.sort_key is
    'Order of service: run_at minus priority minutes, set by whoever writes run_at. So priority ages and nothing starves.';
comment on column processing_jobs.attempt is 'Attempts begun. A released or crashed attempt is given back.';
comment on column processing_jobs.max_attempts is 'A retryable error in this attempt fails the job.';
comment on column processing_jobs.crashes is 'How often a worker was lost while running this. The third is quarantine (poison).';
comment on column processing_jobs.fence is
    'Rises with every claim and every take-away. A write that carries an older fence changes nothing.';
comment on column processing_jobs.worker_id is 'Worker (workers.id) that runs it.';
comment on column processing_jobs.started_at is 'When the running attempt was claimed.';
comment on column processing_jobs.deadline_at is 'The running attempt is taken away after this time. Progress extends it.';
comment on column processing_jobs.timeout_seconds is 'Longest silence: deadline_at is set this far ahead by claim and progress.';
comment on column processing_jobs.cancel_requested_at is 'Cancel was asked for while running; the worker is stopping it.';
comment on column processing_jobs.cancel_requested_by is 'Who asked, [actor, address], for the audit log: the worker writes the end.';
comment on column processing_jobs.last_error is 'Code and text of the error the job waits for after (a retry), for ops.why.';
comment on column processing_jobs.payload is 'Arguments of the handler.';

create table job_failures (
    id              bigint generated always as identity primary key,
    job_id          bigint not null,
    kind            text not null,
    request_id      uuid,
    owner_id        uuid not null,
    priority        integer not null,
    max_attempts    integer not null,
    timeout_seconds integer not null,
    payload         jsonb not null,
    attempts        integer not null,
    crashes         integer not null,
    stage           text,
    error_code      text not null,
    error_message   text not null,
    failed_at       timestamptz not null default now()
);
create index job_failures_kind on job_failures (kind, failed_at);
create index job_failures_request on job_failures (request_id) where request_id is not null;
comment on index job_failures_kind is 'Redrive of a kind since a time.';
comment on index job_failures_request is 'Failures of an analysis.';

comment on table job_failures is
    'Dead letters: jobs that could not be done, with all that is needed to do them again (ops.redrive).';
comment on column job_failures.id is 'Number of the failure.';
comment on column job_failures.job_id is 'Number the job had.';
comment on column job_failures.kind is 'What was to be done.';
comment on column job_failures.request_id is 'The analysis it worked for, if any.';
comment on column job_failures.owner_id is 'Who asked.';
comment on column job_failures.priority is 'Its priority.';
comment on column job_failures.max_attempts is 'Attempts it was allowed.';
comment on column job_failures.timeout_seconds is 'Longest silence it was allowed.';
comment on column job_failures.payload is 'Arguments of the handler.';
comment on column job_failures.attempts is 'Attempts it had.';
comment on column job_failures.crashes is 'Workers lost while running it.';
comment on column job_failures.stage is 'Stage of the analysis in which it failed, where known.';
comment on column job_failures.error_code is 'Stable code of the last error; poison: quarantined after three crashes.';
comment on column job_failures.error_message is 'Public text of the last error.';
comment on column job_failures.failed_at is 'When it was given up.';

-- Logged, not unlogged: an unlogged table is empty after a crash or a failover, and every worker would look dead.
create table workers (
    id            bigint generated always as identity primary key,
    host          text not null,
    pid           integer not null,
    version       text not null,
    kinds         text[] not null,
    slots         integer not null,
    idle          boolean not null default false,
    draining      boolean not null default false,
    lease_seconds double precision not null default 20,
    started_at    timestamptz not null default now(),
    seen_at       timestamptz not null default now()
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_cost_delay = 0);

comment on table workers is
    'Processes that claim jobs. Alive: seen within lease_seconds, and holding its session advisory lock.';
comment on column workers.id is 'Number of the worker; key of its advisory lock.';
comment on column workers.host is 'Machine it runs on.';
comment on column workers.pid is 'Process id there.';
comment on column workers.version is 'Version of the program.';
comment on column workers.kinds is 'Kinds of jobs it takes.';
comment on column workers.slots is 'Jobs it runs at once.';
comment on column workers.idle is 'It waits for work: whoever adds work notifies only if such a worker exists.';
comment on column workers.draining is 'It claims no more (ops.drain, or stopping) and finishes what it has.';
comment on column workers.lease_seconds is 'Unseen for so long, it is dead: its jobs are taken back and its writes refused.';
comment on column workers.started_at is 'When it came up.';
comment on column workers.seen_at is 'Its last beat.';

-- Rows exist only where something is limited or paused.
create table lanes (
    scope        text not null check (scope in ('owner', 'kind', 'provider')),
    name         text not null,
    max_running  integer check (max_running >= 0),
    paused_until timestamptz,
    reason       text,
    primary key (scope, name)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

comment on table lanes is
    'What holds work back: a limit or a pause for one owner, one kind or one provider. No row: nothing.';
comment on column lanes.scope is 'owner, kind or provider.';
comment on column lanes.name is 'The owner''s uuid as text, the kind, or the provider.';
comment on column lanes.max_running is 'Running jobs (of a provider: calls) at most, over all workers, exactly. Null: no limit.';
comment on column lanes.paused_until is 'No claims (of a provider: calls) before this time; infinity: until resumed.';
comment on column lanes.reason is 'Why it is paused, for ops.why.';

-- Which providers an analysis calls is not known when it is claimed: it may need several, and the next one in order
-- where the first is busy. So providers are limited at the call, not at the claim.
create table provider_turns (
    id       bigint generated always as identity primary key,
    provider text not null,
    job_id   bigint not null,
    fence    bigint not null,
    since    timestamptz not null default now()
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
create index provider_turns_provider on provider_turns (provider);
comment on index provider_turns_provider is 'Calls under way of a provider, counted for its limit.';

comment on table provider_turns is
    'Calls of providers under way. Each belongs to a running job: when that ends or is taken away, its calls count no more.';
comment on column provider_turns.id is 'Number of the call.';
comment on column provider_turns.provider is 'Who is being called.';
comment on column provider_turns.job_id is 'The job that calls.';
comment on column provider_turns.fence is 'Its fence: what belongs to an older one is void.';
comment on column provider_turns.since is 'Since when.';

create table schedules_fired (
    name text not null,
    slot timestamptz not null,
    primary key (name, slot)
);

comment on table schedules_fired is
    'Which times of which schedule were enqueued. There is no leader: whoever inserts the row enqueues the job.';
comment on column schedules_fired.name is 'The schedule.';
comment on column schedules_fired.slot is 'The time it stood for, rounded down to its interval.';

create function wake_workers() returns void language sql as $$
    select pg_notify('mediaanalysis_jobs', '') where exists (select from workers where idle and not draining)
$$;
comment on function wake_workers() is
    'Call after adding work that is due. Silent while every worker is busy: a NOTIFY in each commit costs most of the throughput.';

-- As its owner: only the privileged are told about the server's own processes.
create function server_since() returns timestamptz language sql stable
security definer set search_path = pg_catalog, pg_temp as $$
    select min(backend_start) from pg_stat_activity where backend_type = 'checkpointer'
$$;
revoke execute on function server_since() from public;
comment on function server_since() is
    'When the server came up, or recovered from a crash: no session is older. Null where the owner of this function may not know.';

create function lane_running(scope text, name text) returns bigint language plpgsql stable as $$
begin
    return case lane_running.scope
        when 'owner' then (select count(*) from processing_jobs j where j.state = 'running' and j.owner_id = lane_running.name::uuid)
        when 'kind' then (select count(*) from processing_jobs j where j.state = 'running' and j.kind = lane_running.name)
        else (select count(*) from provider_turns turn
              join processing_jobs j on j.id = turn.job_id and j.fence = turn.fence and j.state = 'running'
              where turn.provider = lane_running.name)
    end;
end $$;
comment on function lane_running(text, text) is
    'How many jobs of this owner or kind, or calls of this provider, run. Counted, never kept: it cannot leak.';
