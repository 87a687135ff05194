-- api_keys: who may ask. Keys are known by their SHA-256 only.

-- name: add
-- A new key. Row: its id.
-- $1 key jsonb, $2 grants jsonb, $3 actor text, $4 address text
with author as materialized (
    select set_config('mediaanalysis.actor', $3, true), set_config('mediaanalysis.address', $4, true)
)
insert into api_keys (
    name, owner_id, key_hash, prefix, scopes, submits_per_minute, polls_per_minute, upload_bytes_per_minute, max_active,
    expires_at)
select name, owner_id, key_hash, prefix, scopes, submits_per_minute, polls_per_minute, upload_bytes_per_minute, max_active,
       expires_at
from jsonb_to_record($1) as key (name text, owner_id uuid, key_hash text, prefix text)
cross join jsonb_to_record($2) as grants (
    scopes text[], submits_per_minute integer, polls_per_minute integer, upload_bytes_per_minute bigint,
    max_active integer, expires_at timestamptz)
cross join (select count(*) from author) as known_author
returning id;

-- name: list_valid
-- Keys that were neither revoked nor have expired.
select id, name, owner_id, key_hash, prefix, scopes, submits_per_minute, polls_per_minute, upload_bytes_per_minute,
       max_active, created_at, last_used_at, expires_at, revoked_at
from api_keys
where revoked_at is null and (expires_at is null or expires_at > now());

-- name: any_exist
-- Whether a key was ever made.
select exists (select from api_keys);

-- name: list_all
-- All keys, latest first.
select id, name, owner_id, key_hash, prefix, scopes, submits_per_minute, polls_per_minute, upload_bytes_per_minute,
       max_active, created_at, last_used_at, expires_at, revoked_at
from api_keys
order by created_at desc, id;

-- name: revoke
-- Revoke a key at once, or let it expire after a grace, if not before. Row: when it ends. No row: there is none such, or
-- it is no longer valid.
-- $1 key_id uuid, $2 grace_seconds float8, $3 actor text, $4 address text
with author as materialized (
    select set_config('mediaanalysis.actor', $3, true), set_config('mediaanalysis.address', $4, true)
)
update api_keys
   set revoked_at = case when $2::float8 <= 0 then now() end,
       expires_at = case when $2 > 0 then least(expires_at, now() + make_interval(secs => $2)) else expires_at end
  from (select count(*) from author) as known_author
 where id = $1 and revoked_at is null and (expires_at is null or expires_at > now())
returning coalesce(revoked_at, expires_at);

-- name: note_used
-- These keys were used by now; to the minute, so that a busy key is not written all the time.
-- $1 key_ids uuid[]
update api_keys set last_used_at = now()
 where id = any($1) and (last_used_at is null or last_used_at < now() - interval '50 seconds');
