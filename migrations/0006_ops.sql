-- For operators in psql, first part: the queue. `\dv+ ops.*` and `\df+ ops.*` are the manual.
-- depends: 0005_audit_and_keys
-- All of it is safe while workers run: functions lock what workers lock, in their order, and wake them.

create schema ops;
comment on schema ops is 'For operators: views to look at, functions to act with. \dv+ ops.* and \df+ ops.* list them.';

create view ops.queue as
select kind, priority,
       count(*) filter (where state = 'queued' and run_at <= now()) as waiting,
       count(*) filter (where state = 'queued' and run_at > now()) as scheduled,
       count(*) filter (where state = 'running') as running,
       count(distinct owner_id) as owners,
       now() - min(run_at) filter (where state = 'queued' and run_at <= now()) as oldest_wait,
       min(run_at) filter (where state = 'queued' and run_at > now()) as next_scheduled
from processing_jobs
group by kind, priority;
comment on view ops.queue is 'What waits and runs, by kind and priority; oldest_wait is the age of the first in line.';

create view ops.running as
select job.id as job_id, job.kind, job.request_id as analysis_id, job.owner_id, analysis.stage, analysis.progress,
       job.attempt, job.crashes, job.worker_id, worker.host, now() - job.started_at as running_for,
       job.deadline_at - now() as deadline_in, job.cancel_requested_at is not null as cancelling
from processing_jobs job
left join workers worker on worker.id = job.worker_id
left join media_analysis_requests analysis on analysis.id = job.request_id
where job.state = 'running';
comment on view ops.running is 'Jobs under way, where, since when, and how long they may stay silent.';

create view ops.workers as
select worker.id, worker.host, worker.pid, worker.version, worker.kinds, worker.slots, busy.jobs as busy,
       case when worker.seen_at < now() - make_interval(secs => worker.lease_seconds) then 'lost'
            when worker.seen_at < now() - interval '3 seconds' then 'silent'
            when worker.draining then 'draining' when worker.idle then 'idle' else 'working' end as state,
       now() - worker.seen_at as seen_ago, now() - worker.started_at as up_for
from workers worker
cross join lateral (
    select count(*) as jobs from processing_jobs job where job.state = 'running' and job.worker_id = worker.id) busy;
comment on view ops.workers is
    'Processes that claim jobs. silent: no beat for three seconds; lost: its lease passed, its jobs are being taken back.';

create view ops.failures as
select kind, error_code, stage, count(*) as failures, count(distinct owner_id) as owners,
       min(failed_at) as first_at, max(failed_at) as last_at,
       (array_agg(error_message order by failed_at desc))[1] as last_message,
       (array_agg(request_id order by failed_at desc))[1] as last_analysis_id
from job_failures
group by kind, error_code, stage;
comment on view ops.failures is 'What could not be done, grouped by error. ops.redrive(kind, since) does it again.';

create view ops.providers as
select known.name as provider, lane_running('provider', known.name) as running, lane.max_running,
       case when lane.paused_until > now() then lane.paused_until end as paused_until, lane.reason
from (select provider as name from provider_turns union select name from lanes where scope = 'provider') known
left join lanes lane on lane.scope = 'provider' and lane.name = known.name;
comment on view ops.providers is
    'Providers that are being called, limited or left alone. Limit: ops.set_limit(name, n, ''provider''); end of a pause: ops.resume.';

create function ops.typical_seconds(owner_id uuid) returns double precision language sql stable as $$
    select percentile_cont(0.5) within group (order by recent.latency_ms) / 1000
    from unnest(enum_range(null::media_type_enum)) as kind (media_type)
    cross join lateral (
        select done.latency_ms from media_analysis_requests done
        where done.owner_id = typical_seconds.owner_id and done.status = 'completed' and done.media_type = kind.media_type
        order by coalesce(done.completed_at, '-infinity') desc, done.id desc limit 20) recent
$$;
comment on function ops.typical_seconds(uuid) is
    'Median duration of the owner''s last 20 analyses of each media type; null before the first.';

create function ops.place(analysis_id uuid) returns table (ahead bigint, estimated_seconds double precision)
language sql stable as $$
    with recursive job as (
        select * from processing_jobs where request_id = place.analysis_id and kind = 'analyze' and state = 'queued'
    ), owner (id) as (
        (select j.owner_id from processing_jobs j where j.state = 'queued' order by j.owner_id limit 1)
        union all
        select (select j.owner_id from processing_jobs j where j.state = 'queued' and j.owner_id > owner.id
                order by j.owner_id limit 1)
        from owner where owner.id is not null
    ), line as (
        select count(*) as ahead from job cross join lateral (
            select from processing_jobs other
            where other.state = 'queued' and other.owner_id = job.owner_id and other.kind = job.kind
              and (other.sort_key, other.run_at, other.id) < (job.sort_key, job.run_at, job.id)
            limit 1000) others
    ), share as (
        select greatest(1, sum(slots)::double precision / (select count(*) from (select from owner where id is not null limit 100) few)) as slots
        from workers where not draining and kinds @> '{analyze}'
    )
    select line.ahead, ops.typical_seconds(job.owner_id) * ceil((line.ahead + 1) / share.slots)
    from job, line, share
$$;
comment on function ops.place(uuid) is
    'How many jobs of the same owner are before this waiting analysis (1000: or more), and about how long until it is done.';

create function ops.held_by(job processing_jobs) returns text language sql stable as $$
    select string_agg(
        case when lane.paused_until > now() then
            format('%s %s paused %s%s', lane.scope, lane.name,
                   case when isfinite(lane.paused_until) then 'until ' || to_char(lane.paused_until, 'YYYY-MM-DD HH24:MI:SS TZ') else 'until resumed' end,
                   ' (' || lane.reason || ')')
        else format('%s at its limit %s/%s', case lane.scope when 'owner' then 'owner' else lane.scope || ' ' || lane.name end,
                    lane_running(lane.scope, lane.name), lane.max_running)
        end, '; ' order by lane.scope)
    from lanes lane
    where (lane.scope, lane.name) in (('owner', job.owner_id::text), ('kind', job.kind))
      and (lane.paused_until > now() or lane.max_running <= lane_running(lane.scope, lane.name))
$$;
comment on function ops.held_by(processing_jobs) is 'Pauses and limits that hold this job back now; null: none.';

create function ops.next_free(job processing_jobs) returns text language sql stable as $$
    select case
        when crew.slots = 0 then null
        when busy.jobs < crew.slots then format('%s of %s slots busy', busy.jobs, crew.slots)
        else format('all %s slots busy', crew.slots)
             || coalesce(format('; next free in about %s s', greatest(1, round(ops.typical_seconds(job.owner_id) - busy.longest))), '')
        end
    from (select coalesce(sum(slots), 0) as slots from workers where kinds @> array[job.kind] and not draining) crew,
         (select count(*) as jobs, extract(epoch from now() - min(started_at)) as longest
          from processing_jobs where state = 'running') busy
$$;
comment on function ops.next_free(processing_jobs) is 'How busy the workers are that take this kind of job, and when a slot becomes free.';

create function ops.ordinal(n bigint) returns text language sql immutable as $$
    select n || case when n % 100 between 11 and 13 then 'th' else
        case n % 10 when 1 then 'st' when 2 then 'nd' when 3 then 'rd' else 'th' end end
$$;
comment on function ops.ordinal(bigint) is '1st, 2nd, 3rd, 4th …';
create function ops.why(analysis_id uuid) returns text language plpgsql stable as $$
declare
    analysis media_analysis_requests;
    job processing_jobs;
begin
    select * into analysis from media_analysis_requests a where a.id = why.analysis_id;
    if not found then
        return 'no such analysis';
    end if;
    select * into job from processing_jobs j where j.request_id = analysis.id and j.kind = 'analyze';
    if not found then
        return case when analysis.status in ('pending', 'processing') then 'has no job: it will not run'
               else concat_ws('; ', analysis.status || ' since ' || date_trunc('second', analysis.updated_at),
                              analysis.error_code || ': ' || analysis.error_message) end;
    end if;
    if job.state = 'running' then
        return concat_ws('; ',
            format('running for %s s on worker %s', round(extract(epoch from now() - job.started_at)), job.worker_id),
            format('stage %s, %s %%', coalesce(analysis.stage, 'none yet'), analysis.progress), format('attempt %s of %s', job.attempt, job.max_attempts),
            case when job.cancel_requested_at is not null then 'being cancelled' end);
    end if;
    return concat_ws('; ',
        case when job.run_at > now() then
            format('waiting until %s (in %s s)', date_trunc('second', job.run_at), ceil(extract(epoch from job.run_at - now()))) end,
        'last error ' || job.last_error,
        case when not exists (select from workers where kinds @> array[job.kind] and not draining) then
            format('no live worker takes kind %s', job.kind) end,
        ops.held_by(job),
        (select case place.ahead when 0 then 'first in line' else format('%s in line behind %s of the same owner', ops.ordinal(place.ahead + 1), place.ahead) end
         from ops.place(analysis.id) place),
        ops.next_free(job));
end $$;

comment on function ops.why(uuid) is 'In one sentence: why this analysis does not run yet, or where it stands.';

create function ops.cancel(analysis_id uuid) returns text language plpgsql as $$
declare
    job processing_jobs;
begin
    select * into job from processing_jobs j where j.request_id = cancel.analysis_id and j.kind = 'analyze' for no key update;
    if job.state = 'running' then
        update processing_jobs
        set cancel_requested_at = coalesce(cancel_requested_at, now()),
            cancel_requested_by = coalesce(cancel_requested_by, jsonb_build_array(session_user, host(inet_client_addr())))
        where id = job.id;
        perform pg_notify('mediaanalysis_cancel', job.id || ' ' || job.fence);
        return format('worker %s is stopping it', job.worker_id);
    end if;
    delete from processing_jobs where id = job.id;
    update media_analysis_requests a set status = 'cancelled', completed_at = now(), updated_at = now()
    where a.id = cancel.analysis_id and a.status in ('pending', 'processing');
    if found then
        return 'cancelled';
    end if;
    return coalesce((select 'not cancelled: it is ' || a.status from media_analysis_requests a where a.id = cancel.analysis_id),
                    'no such analysis');
end $$;
comment on function ops.cancel(uuid) is 'Cancel an analysis: at once if it waits, within about a second if it runs.';

create function ops.retry(analysis_id uuid) returns text language plpgsql as $$
declare
    job_id bigint;
begin
    update media_analysis_requests a
    set status = 'pending', progress = 0, stage = null, error_code = null, error_message = null, started_at = null,
        completed_at = null, updated_at = now()
    where a.id = retry.analysis_id and a.status in ('failed', 'cancelled');
    if not found then
        return coalesce((select 'not retried: it is ' || a.status from media_analysis_requests a where a.id = retry.analysis_id),
                        'no such analysis');
    end if;
    delete from job_failures f where f.request_id = retry.analysis_id and f.kind = 'analyze';
    insert into processing_jobs (kind, request_id, owner_id, priority, sort_key)
    select 'analyze', a.id, a.owner_id, a.priority, now() - make_interval(mins => a.priority)
    from media_analysis_requests a where a.id = retry.analysis_id
    returning id into job_id;
    perform wake_workers();
    return 'queued as job ' || job_id;
end $$;
comment on function ops.retry(uuid) is 'Run a failed or cancelled analysis again, from the stage that was not finished. Does not count against the client''s retries.';

create function ops.redrive(kind text, since timestamptz default '-infinity') returns bigint language plpgsql as $$
declare
    redriven bigint;
begin
    with chosen as (
        delete from job_failures f where f.kind = redrive.kind and f.failed_at >= redrive.since returning f.*
    ), latest as (
        select distinct on (coalesce(request_id::text, id::text)) * from chosen order by coalesce(request_id::text, id::text), id desc
    ), pending as (
        update media_analysis_requests a
        set status = 'pending', progress = 0, stage = null, error_code = null, error_message = null, started_at = null,
            completed_at = null, updated_at = now()
        from latest where latest.kind = 'analyze' and a.id = latest.request_id and a.status = 'failed'
        returning a.id
    ), added as (
        insert into processing_jobs (kind, request_id, owner_id, priority, sort_key, max_attempts, timeout_seconds, payload)
        select l.kind, l.request_id, l.owner_id, l.priority, now() - make_interval(mins => l.priority),
               l.max_attempts, l.timeout_seconds, l.payload
        from latest l where l.kind <> 'analyze' or l.request_id in (select pending.id from pending)
        on conflict do nothing
        returning id
    )
    select count(*) into redriven from added;
    perform wake_workers();
    return redriven;
end $$;
comment on function ops.redrive(text, timestamptz) is
    'Queue again what failed of this kind since then, each analysis once. Their failures leave ops.failures. Returns how many.';

create function ops.enqueue(kind text, payload jsonb default '{}', owner_id uuid default '00000000-0000-0000-0000-000000000000',
                            priority integer default 5, run_at timestamptz default now()) returns bigint language plpgsql as $$
declare
    job_id bigint;
begin
    insert into processing_jobs (kind, payload, owner_id, priority, run_at, sort_key)
    values (enqueue.kind, enqueue.payload, enqueue.owner_id, enqueue.priority, enqueue.run_at,
            enqueue.run_at - make_interval(mins => enqueue.priority))
    returning id into job_id;
    perform wake_workers();
    return job_id;
end $$;
comment on function ops.enqueue(text, jsonb, uuid, integer, timestamptz) is 'Add a job; an idle worker wakes. Returns its number.';

create function ops.scope_of(name text) returns text language sql immutable as $$
    select case when name ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then 'owner' else 'kind' end
$$;
comment on function ops.scope_of(text) is 'What a name given to pause, resume or set_limit means: a uuid is an owner, else a kind.';

create function ops.pause(name text, scope text default null, until timestamptz default 'infinity', reason text default 'by an operator')
returns text language plpgsql as $$
begin
    scope := coalesce(scope, ops.scope_of(name));
    insert into lanes (scope, name, paused_until, reason) values (pause.scope, lower(pause.name), pause.until, pause.reason)
    on conflict on constraint lanes_pkey do update set paused_until = excluded.paused_until, reason = excluded.reason;
    return format('%s %s is paused until %s', scope, name, until);
end $$;
comment on function ops.pause(text, text, timestamptz, text) is
    'Claim no more jobs of a kind or an owner (or ops.pause(name, ''provider'')). What runs goes on. Undo: ops.resume.';

create function ops.resume(name text, scope text default null) returns text language plpgsql as $$
begin
    scope := coalesce(scope, ops.scope_of(name));
    update lanes l set paused_until = null, reason = null
    where l.scope = resume.scope and l.name = lower(resume.name) and l.paused_until is not null;
    if not found then
        return format('%s %s was not paused', scope, name);
    end if;
    perform wake_workers();
    return format('%s %s goes on', scope, name);
end $$;
comment on function ops.resume(text, text) is 'End a pause, or the cool-down of a provider.';

create function ops.set_limit(name text, max_running integer, scope text default null) returns text language plpgsql as $$
begin
    scope := coalesce(scope, ops.scope_of(name));
    insert into lanes (scope, name, max_running) values (set_limit.scope, lower(set_limit.name), set_limit.max_running)
    on conflict on constraint lanes_pkey do update set max_running = excluded.max_running;
    perform wake_workers();
    return format('%s %s: %s', scope, name, coalesce(max_running || ' running at most', 'no limit'));
end $$;
comment on function ops.set_limit(text, integer, text) is
    'Limit the running jobs of an owner or a kind (or a provider: third argument), over all workers; null: no limit.';

create function ops.drain(worker_id bigint) returns text language plpgsql as $$
begin
    update workers w set draining = true, idle = false where w.id = drain.worker_id;
    if not found then
        return 'no such worker';
    end if;
    return format('worker %s claims no more; %s running', worker_id,
                  (select count(*) from processing_jobs j where j.state = 'running' and j.worker_id = drain.worker_id));
end $$;
comment on function ops.drain(bigint) is 'The worker claims no more and finishes what it has. Watch ops.workers until busy is 0, then stop it.';
