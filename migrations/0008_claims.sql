-- The queue's hot statements, as functions: a claim, a completion, a turn with a provider.
-- depends: 0003_jobs

create function lane_room(owner_id uuid, kind text) returns bigint language plpgsql stable as $$
begin
    return (
        select min(case when lane.paused_until > now() then 0
                        when lane.max_running is not null then lane.max_running - lane_running(lane.scope, lane.name) end)
        from (values ('owner', lane_room.owner_id::text), ('kind', lane_room.kind)) part (scope, name)
        join lanes lane using (scope, name));
end $$;
comment on function lane_room(uuid, text) is
    'How many more jobs of this owner and kind may run now; 0 or less: none; null: no limit.';

create type lane_floor as (owner_id uuid, kind text, floor timestamptz);
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
        select served.owner_id, served.kind, 0 as round where cardinality(known) = 0
        union all
        select hop.* from ring here cross join lateral (
            (select j.owner_id, j.kind, greatest(here.round, 1) from processing_jobs j
             where j.state = 'queued' and (j.owner_id, j.kind) > (here.owner_id, here.kind)
             order by j.owner_id, j.kind limit 1)
            union all
            select '00000000-0000-0000-0000-000000000000', '', 2 where here.round < 2
            limit 1
        ) hop
        where here.round < 2 or (here.owner_id, here.kind) < (served.owner_id, served.kind)
    ), candidate as (
        select r.owner_id, r.kind, '-infinity'::timestamptz as floor from ring r
        where r.round = 1
           or r.round = 2 and (r.owner_id, r.kind) <= (served.owner_id, served.kind)
        union all
        select k.owner_id, k.kind, k.floor from unnest(known) k
    )
    select array_agg(row(lane.*)::lane_floor) into lanes_due
    from (
        select c.* from candidate c
        where c.kind = any(kinds)
          and coalesce(lane_room(c.owner_id, c.kind), 1) > 0
          and (select true from processing_jobs j
               where j.state = 'queued' and j.owner_id = c.owner_id and j.kind = c.kind
                 and j.sort_key between c.floor and now() and j.run_at <= now()
               order by j.sort_key, j.run_at, j.id limit 1)
        limit free
    ) lane;

    perform from unnest(lanes_due) due
    cross join lateral (values ('owner', due.owner_id::text), ('kind', due.kind)) part (scope, name)
    join lanes l using (scope, name)
    where l.max_running is not null
    order by l.scope, l.name
    for no key update of l;
    limited := found;

    return query
    with head as (
        select job.* from unnest(lanes_due) due cross join lateral (
            select j.id, j.owner_id, j.kind, j.sort_key from processing_jobs j
            where j.state = 'queued' and j.owner_id = due.owner_id and j.kind = due.kind
              and j.sort_key between due.floor and now() and j.run_at <= now()
            order by j.sort_key, j.run_at, j.id
            limit free / cardinality(lanes_due)
            for no key update skip locked
        ) job
    ), numbered as (
        select h.id, part.scope, part.name,
               row_number() over (partition by part.scope, part.name order by h.sort_key, h.id) as nth
        from head h
        cross join lateral (values ('owner', h.owner_id::text), ('kind', h.kind)) part (scope, name)
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

-- Taking a turn: whoever takes one of the same provider waits for our commit, so the count is exact.
create function take_turn(provider text, job_id bigint, fence bigint) returns bigint language plpgsql as $$
declare
    most integer;
    turn_id bigint;
begin
    select l.max_running into most from lanes l
    where l.scope = 'provider' and l.name = take_turn.provider for no key update;
    if not exists (select from processing_jobs j
                   where j.id = take_turn.job_id and j.fence = take_turn.fence and j.state = 'running') then
        return -1;
    end if;
    if lane_running('provider', take_turn.provider) >= most then
        return 0;
    end if;
    delete from provider_turns t
    where t.provider = take_turn.provider
      and not exists (select from processing_jobs j where j.id = t.job_id and j.fence = t.fence and j.state = 'running');
    insert into provider_turns (provider, job_id, fence)
    values (take_turn.provider, take_turn.job_id, take_turn.fence) returning id into turn_id;
    return turn_id;
end $$;
comment on function take_turn(text, bigint, bigint) is
    'Number of a new turn to call this provider, to be given back by deleting its row. 0: the provider is at its limit; '
    '-1: the job is no longer held under this fence.';
