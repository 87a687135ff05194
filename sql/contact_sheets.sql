-- contact_sheets: the frames of an analysis in one picture.

-- name: put
-- The sheet of an analysis, whose file stands in media_files already. A second one replaces the first.
-- $1 analysis_id uuid, $2 sheet jsonb
insert into contact_sheets (
    request_id, file_id, storage_path, frames_count, grid_layout, resolution, file_size_bytes, checksum, metadata)
select $1, file.id, file.storage_path, jsonb_array_length(sheet.tiles), sheet.grid_layout, sheet.resolution,
       file.size_bytes, file.checksum, jsonb_build_object('tiles', sheet.tiles)
from jsonb_to_record($2) as sheet (filename text, grid_layout text, resolution text, tiles jsonb)
join media_files file on file.request_id = $1 and file.filename = sheet.filename and file.deleted_at is null
on conflict (request_id) do update
   set file_id = excluded.file_id, storage_path = excluded.storage_path, frames_count = excluded.frames_count,
       grid_layout = excluded.grid_layout, resolution = excluded.resolution, file_size_bytes = excluded.file_size_bytes,
       checksum = excluded.checksum, metadata = excluded.metadata, created_at = now();

-- name: get
-- The sheet of an analysis.
-- $1 analysis_id uuid
select request_id, file_id, storage_path, frames_count, grid_layout, resolution, file_size_bytes, checksum,
       metadata, created_at
from contact_sheets
where request_id = $1;
