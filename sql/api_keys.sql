-- api_keys: who may ask. Keys are known by their SHA-256 only.

-- name: add
-- A new key. Row: its id.
-- $1 name text, $2 owner_id uuid, $3 key_hash character, $4 prefix text, $5 grants jsonb
insert into api_keys (name, owner_id, key_hash, prefix, scopes, requests_per_minute, analyses_per_day, expires_at)
select $1, $2, $3, $4, grants.scopes, grants.requests_per_minute, grants.analyses_per_day, grants.expires_at
from jsonb_to_record($5) as grants (
    scopes text[], requests_per_minute integer, analyses_per_day integer, expires_at timestamptz)
returning id;

-- name: find_valid
-- The key of that hash, unless it was revoked or has expired.
-- $1 key_hash character
select id, name, owner_id, prefix, scopes, requests_per_minute, analyses_per_day, created_at, last_used_at, expires_at,
       revoked_at
from api_keys
where key_hash = $1 and revoked_at is null and (expires_at is null or expires_at > now());

-- name: list_all
-- All keys, latest first.
select id, name, owner_id, prefix, scopes, requests_per_minute, analyses_per_day, created_at, last_used_at, expires_at,
       revoked_at
from api_keys
order by created_at desc, id;

-- name: revoke
-- Withdraw a key. No row: there is none such, or it was revoked before.
-- $1 key_id uuid
update api_keys set revoked_at = now() where id = $1 and revoked_at is null returning id;
