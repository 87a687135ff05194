-- job_failures: jobs that could not be done, kept for operators.

-- name: remove_old
-- Failures older than that are forgotten. Row: how many.
-- $1 keep_days integer
with removed as (
    delete from job_failures where failed_at < now() - make_interval(days => $1) returning id
)
select count(*) from removed;
