-- rate_buckets: what an owner may still ask.

-- name: take
-- Tokens out of a bucket: up to wanted, or none where there are fewer than at_least. Row: granted, remaining, wait_seconds.
-- $1 bucket_id uuid, $2 kind text, $3 per_minute bigint, $4 wanted bigint, $5 at_least bigint
select granted, remaining, wait_seconds from take_tokens($1, $2, $3, $4, $5);
