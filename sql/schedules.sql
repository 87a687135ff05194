-- schedules_fired: which times of which schedule were enqueued.

-- name: fire
-- The job of the current slot, unless somebody enqueued it before, or the one before still waits. Row: its id.
-- $1 name text, $2 every_seconds float8, $3 kind text, $4 timeout_seconds integer, $5 payload jsonb
with due as (
    select to_timestamp(floor(extract(epoch from now()) / $2::float8) * $2) as slot
), fired as (
    insert into schedules_fired (name, slot) select $1, due.slot from due
    on conflict do nothing
    returning slot
), forgotten as (
    delete from schedules_fired old using fired where old.name = $1 and old.slot < fired.slot - interval '1 day'
), added as (
    insert into processing_jobs (kind, timeout_seconds, payload)
    select $3, $4, $5 from fired
    where not exists (
        select from processing_jobs job
        where job.state = 'queued' and job.owner_id = '00000000-0000-0000-0000-000000000000' and job.kind = $3)
    returning id
)
select added.id from added;
