-- media_files: what an analysis has in storage.

-- name: add
-- Files of one analysis. A name that is there already is replaced: the stage ran again.
-- $1 analysis_id uuid, $2 files jsonb
insert into media_files (
    request_id, kind, filename, original_path, storage_path, size_bytes, mime_type, checksum, width, height,
    duration_seconds, at_seconds, retention_days, expires_at)
select $1, kind, filename, original_path, storage_path, size_bytes, mime_type, checksum, width, height,
       duration_seconds, at_seconds, retention_days, now() + make_interval(days => retention_days)
from jsonb_to_recordset($2) as file (
    kind media_file_kind, filename text, original_path text, storage_path text, size_bytes bigint, mime_type text,
    checksum text, width integer, height integer, duration_seconds float8, at_seconds float8, retention_days integer)
on conflict (request_id, filename) where deleted_at is null do update
   set kind = excluded.kind, original_path = excluded.original_path, storage_path = excluded.storage_path,
       size_bytes = excluded.size_bytes, mime_type = excluded.mime_type, checksum = excluded.checksum,
       width = excluded.width, height = excluded.height, duration_seconds = excluded.duration_seconds,
       at_seconds = excluded.at_seconds, retention_days = excluded.retention_days, expires_at = excluded.expires_at,
       uploaded_at = now();

-- name: list_all
-- Files of one analysis, removed ones too, in the order of their names.
-- $1 analysis_id uuid
select id, request_id, kind, filename, original_path, storage_path, size_bytes, mime_type, checksum, width, height,
       duration_seconds, at_seconds, retention_days, uploaded_at, expires_at, deleted_at
from media_files
where request_id = $1
order by filename, uploaded_at;

-- name: list_kind
-- Files of one kind of one analysis, removed ones too, in the order of their names.
-- $1 analysis_id uuid, $2 kind media_file_kind
select id, request_id, kind, filename, original_path, storage_path, size_bytes, mime_type, checksum, width, height,
       duration_seconds, at_seconds, retention_days, uploaded_at, expires_at, deleted_at
from media_files
where request_id = $1 and kind = $2
order by filename, uploaded_at;

-- name: find
-- The file of that name; the removed one where there is no other, to say that it was there.
-- $1 analysis_id uuid, $2 filename text
select id, request_id, kind, filename, original_path, storage_path, size_bytes, mime_type, checksum, width, height,
       duration_seconds, at_seconds, retention_days, uploaded_at, expires_at, deleted_at
from media_files
where request_id = $1 and filename = $2
order by deleted_at desc nulls first
limit 1;

-- name: find_original
-- The media itself, if it is still in storage.
-- $1 analysis_id uuid
select id, request_id, kind, filename, original_path, storage_path, size_bytes, mime_type, checksum, width, height,
       duration_seconds, at_seconds, retention_days, uploaded_at, expires_at, deleted_at
from media_files
where request_id = $1 and kind = 'original' and deleted_at is null;

-- name: list_expired
-- Files past their time, oldest first.
-- $1 count bigint
select id, request_id, kind, filename, original_path, storage_path, size_bytes, mime_type, checksum, width, height,
       duration_seconds, at_seconds, retention_days, uploaded_at, expires_at, deleted_at
from media_files
where expires_at <= now() and deleted_at is null
order by expires_at
limit $1;

-- name: list_stored
-- Files that should be in storage, in the order of their keys, after one of them; not those that were stored only now.
-- $1 after text, $2 count bigint
select id, storage_path
from media_files
where storage_path > $1 and uploaded_at < now() - interval '1 hour' and deleted_at is null
order by storage_path
limit $2;

-- name: mark_deleted
-- These files were removed from storage. Row: how many were not known to be; of two sweeps, one wins each.
-- $1 file_ids uuid[]
with marked as (
    update media_files set deleted_at = now() where id = any($1) and deleted_at is null returning id
)
select count(*) from marked;

-- name: list_known_keys
-- Which of these keys of the storage belong to a file that is still there.
-- $1 keys text[]
select storage_path from media_files where storage_path = any($1) and deleted_at is null;
