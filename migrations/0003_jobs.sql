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
    provider            text not null default '',
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

-- The claim: lanes (owner, kind, provider) are found by hopping over the first three columns, the head of a lane by
-- the rest. Whatever can be held back is part of the prefix, so a held-back backlog is hopped over, never read.
create index processing_jobs_queue on processing_jobs (owner_id, kind, provider, sort_key, run_at, id)
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
comment on column processing_jobs.provider is
    'Provider the job mainly depends on: its limit and its cool-down hold the job back. Empty: none.';
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
comment on column processing_jobs.last_error is 'Code and text of the error the job waits for after (a retry), for ops.why.';
comment on column processing_jobs.payload is 'Arguments of the handler.';

create table job_failures (
    id              bigint generated always as identity primary key,
    job_id          bigint not null,
    kind            text not null,
    request_id      uuid,
    owner_id        uuid not null,
    provider        text not null,
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
comment on column job_failures.provider is 'Provider it mainly depended on; empty: none.';
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
    'What holds jobs back: a limit of running jobs, or a pause, for one owner, one kind or one provider. No row: nothing.';
comment on column lanes.scope is 'owner, kind or provider.';
comment on column lanes.name is 'The owner''s uuid as text, the kind, or the provider.';
comment on column lanes.max_running is 'Running jobs at most, over all workers, exactly. Null: no limit.';
comment on column lanes.paused_until is 'No claims before this time (a pause, or a provider''s cool-down); infinity: until resumed.';
comment on column lanes.reason is 'Why it is paused, for ops.why.';

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

create function lane_running(scope text, name text) returns bigint language plpgsql stable as $$
begin
    return case lane_running.scope
        when 'owner' then (select count(*) from processing_jobs j where j.state = 'running' and j.owner_id = lane_running.name::uuid)
        when 'kind' then (select count(*) from processing_jobs j where j.state = 'running' and j.kind = lane_running.name)
        else (select count(*) from processing_jobs j where j.state = 'running' and j.provider = lane_running.name)
    end;
end $$;
comment on function lane_running(text, text) is 'How many jobs of this owner, kind or provider run. Counted, never kept: it cannot leak.';

create function lane_room(owner_id uuid, kind text, provider text) returns bigint language plpgsql stable as $$
begin
    return (
        select min(case when lane.paused_until > now() then 0
                        when lane.max_running is not null then lane.max_running - lane_running(lane.scope, lane.name) end)
        from (values ('owner', lane_room.owner_id::text), ('kind', lane_room.kind), ('provider', lane_room.provider)) part (scope, name)
        join lanes lane using (scope, name));
end $$;
comment on function lane_room(uuid, text, text) is
    'How many more jobs of this owner, kind and provider may run now; 0 or less: none; null: no limit.';

create type lane_floor as (owner_id uuid, kind text, provider text, floor timestamptz);
comment on type lane_floor is 'A lane, and a sort_key below which it is known to hold no queued job.';

-- Claiming, in three steps, each with a snapshot of its own (READ COMMITTED):
--   1. Find up to `free` lanes with due work and room. Lanes form a ring in the order of the index; we go round it from
--      the lane served last, one index probe for each, so owners take turns and a backlog costs what its lanes cost.
--   2. Lock the limits that these lanes are under. Whoever claims under the same limit waits for our commit.
--   3. Count what runs (the snapshot is younger than the locks, so the count is exact), and take the heads of the lanes.
-- `= any(array(…))` in place of a join; no sequential scan, bitmap or sort, and an order that only the index of the claim
-- has, whatever the statistics say: a generic plan over a table that is empty one minute and holds a million rows the next must not be a matter of luck.
create function claim_jobs(worker bigint, kinds text[], free integer, served lane_floor, known lane_floor[])
returns setof processing_jobs language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off as $$
declare
    lanes_due lane_floor[];
    limited boolean;
    taken_count integer;
begin
    perform from workers w where w.id = worker and not w.draining;
    if not found then
        return;
    end if;

    -- A kind that is paused is hopped over without a look at the limits of each of its lanes.
    kinds := array(select k.kind from unnest(kinds) k (kind)
                   where not exists (select from lanes l where l.scope = 'kind' and l.name = k.kind and l.paused_until > now()));

    with recursive ring as (
        select served.owner_id, served.kind, served.provider, 0 as round where cardinality(known) = 0
        union all
        select hop.* from ring here cross join lateral (
            (select j.owner_id, j.kind, j.provider, greatest(here.round, 1) from processing_jobs j
             where j.state = 'queued' and (j.owner_id, j.kind, j.provider) > (here.owner_id, here.kind, here.provider)
             order by j.owner_id, j.kind, j.provider limit 1)
            union all
            select '00000000-0000-0000-0000-000000000000', '', '', 2 where here.round < 2
            limit 1
        ) hop
        where here.round < 2 or (here.owner_id, here.kind, here.provider) < (served.owner_id, served.kind, served.provider)
    ), candidate as (
        select r.owner_id, r.kind, r.provider, '-infinity'::timestamptz as floor from ring r
        where r.round = 1
           or r.round = 2 and (r.owner_id, r.kind, r.provider) <= (served.owner_id, served.kind, served.provider)
        union all
        select k.owner_id, k.kind, k.provider, k.floor from unnest(known) k
    )
    select array_agg(row(lane.*)::lane_floor) into lanes_due
    from (
        select c.* from candidate c
        where c.kind = any(kinds)
          and coalesce(lane_room(c.owner_id, c.kind, c.provider), 1) > 0
          and (select true from processing_jobs j
               where j.state = 'queued' and j.owner_id = c.owner_id and j.kind = c.kind and j.provider = c.provider
                 and j.sort_key between c.floor and now() and j.run_at <= now()
               order by j.sort_key, j.run_at, j.id limit 1)
        limit free
    ) lane;

    perform from unnest(lanes_due) due
    cross join lateral (values ('owner', due.owner_id::text), ('kind', due.kind), ('provider', due.provider)) part (scope, name)
    join lanes l using (scope, name)
    where l.max_running is not null
    order by l.scope, l.name
    for no key update of l;
    limited := found;

    return query
    with head as (
        select job.* from unnest(lanes_due) due cross join lateral (
            select j.id, j.owner_id, j.kind, j.provider, j.sort_key from processing_jobs j
            where j.state = 'queued' and j.owner_id = due.owner_id and j.kind = due.kind and j.provider = due.provider
              and j.sort_key between due.floor and now() and j.run_at <= now()
            order by j.sort_key, j.run_at, j.id
            limit free / cardinality(lanes_due)
            for no key update skip locked
        ) job
    ), numbered as (
        select h.id, part.scope, part.name,
               row_number() over (partition by part.scope, part.name order by h.sort_key, h.id) as nth
        from head h
        cross join lateral (values ('owner', h.owner_id::text), ('kind', h.kind), ('provider', h.provider)) part (scope, name)
        where limited
    ), room as materialized (
        select l.scope, l.name, l.max_running - lane_running(l.scope, l.name) as room
        from (select distinct n.scope, n.name from numbered n) part join lanes l using (scope, name)
        where l.max_running is not null
    ), crowded as (
        select n.id from numbered n join room r using (scope, name) where n.nth > r.room
    ), taken as (
        update processing_jobs j
        set state = 'running', fence = j.fence + 1, attempt = j.attempt + 1, worker_id = worker, started_at = now(),
            deadline_at = now() + make_interval(secs => j.timeout_seconds)
        where j.id = any(array(select h.id from head h where h.id not in (select c.id from crowded c)))
        returning j.*
    ), started as (
        update media_analysis_requests a
        set status = 'processing', started_at = coalesce(a.started_at, now()), updated_at = now()
        where a.id = any(array(select t.request_id from taken t where t.kind = 'analyze')) and a.status = 'pending'
    )
    select * from taken;

    get diagnostics taken_count = row_count;
    update workers w set idle = taken_count < free where w.id = worker and w.idle <> (taken_count < free);
end $$;
comment on function claim_jobs(bigint, text[], integer, lane_floor, lane_floor[]) is
    'Up to `free` due jobs of these kinds, now running for this worker, lanes taking turns after `served`. '
    'With `known`, looks only there and not below the floors. Nothing for a worker that drains or was declared dead.';

-- The rows are found by their numbers, and matched with the fences by a hash. Left to itself over a table whose statistics
-- say that it is empty, the planner reads the whole primary key, or compares every row with every fence.
create function complete_jobs(ids bigint[], fences bigint[]) returns setof bigint language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_nestloop = off set enable_mergejoin = off as $$
begin
    return query
    delete from processing_jobs j
    using unnest(ids, fences) as done (id, fence)
    where j.id = any(ids) and j.id = done.id and j.fence = done.fence and j.cancel_requested_at is null
    returning j.id;
end $$;
comment on function complete_jobs(bigint[], bigint[]) is
    'Remove jobs that are done. Returns those that were: of the others the fence moved on, or a cancel came first.';
