-- idempotency_keys: requests that carried an Idempotency-Key. They are written by `accept` in analyses.sql.

-- name: remove_expired
-- Keys that are free again. Row: how many.
-- $1 count bigint
with removed as (
    delete from idempotency_keys
    where (owner_id, key) in (
        select owner_id, key from idempotency_keys where expires_at <= now() limit $1 for update skip locked)
    returning key
)
select count(*) from removed;
