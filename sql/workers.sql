-- workers: processes that claim jobs. Each holds a session advisory lock on its number and beats once a second.
--
-- The lock tells within a beat or three that a process is gone: the database frees it when the session ends. The lease
-- covers what the lock cannot see: a frozen process, a cut network. There is no leader: every beat looks for the dead.

-- name: register
-- A new worker.
-- $1 host text, $2 pid integer, $3 version text, $4 kinds text[], $5 slots integer, $6 lease_seconds float8
insert into workers (host, pid, version, kinds, slots, lease_seconds)
values ($1, $2, $3, $4, $5, $6)
returning id;

-- name: hold_lock
-- Shows that this session lives: the lock falls with it. Not waited for: only a lost session of our own can hold it.
-- Beats need not reach the disk one by one.
-- $1 worker_id integer
select pg_try_advisory_lock(1835361393, $1), set_config('synchronous_commit', 'off', false);

-- name: beat
-- Seen now; buries the dead. No row: we were declared dead ourselves. Nobody is judged until the database has been up for
-- a lease: after a restart all locks are gone, and everyone first gets time to return.
-- $1 worker_id bigint
with alive as (
    update workers set seen_at = now() where id = $1 returning draining, lease_seconds
), up as materialized (
    select greatest(pg_postmaster_start_time(), coalesce(
        server_since(),
        (select backend_start from pg_stat_activity where pid = pg_backend_pid()))) as since
), buried as (
    delete from workers
    where id = any(array(
        select worker.id from workers worker, up, alive
        where worker.id <> $1
          and up.since < now() - make_interval(secs => worker.lease_seconds)
          and (worker.seen_at < now() - make_interval(secs => worker.lease_seconds)
               or worker.seen_at < now() - make_interval(secs => least(3, worker.lease_seconds)) and not exists (
                    select from pg_locks held
                    where held.locktype = 'advisory' and held.classid = 1835361393 and held.objid = worker.id::oid and held.objsubid = 2))
        for update of worker skip locked))
    returning id
)
select alive.draining,
       exists (select from buried) or exists (
           select from processing_jobs job
           where job.state = 'running' and (job.deadline_at < now() - interval '10 seconds'
              or not exists (select from workers worker where worker.id = job.worker_id))) as abandoned,
       (select coalesce(jsonb_agg(jsonb_build_object(
            'id', job.id, 'fence', job.fence, 'kind', job.kind,
            'cancelled', job.cancel_requested_at is not null, 'overdue', job.deadline_at < now())), '[]')
        from processing_jobs job where job.state = 'running' and job.worker_id = $1) as held
from alive;

-- name: drain
-- The worker claims no more, and nobody notifies for it.
-- $1 worker_id bigint
update workers set draining = true, idle = false where id = $1;

-- name: remove
-- The worker stopped in order.
-- $1 worker_id bigint
delete from workers where id = $1;
