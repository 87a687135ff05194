-- depends: 0001_types_and_analyses
-- What an analysis leaves in storage: a row for each file, and what is known of its contact sheet.

create type media_file_kind as enum ('original', 'metadata', 'frame', 'contact_sheet', 'output', 'page');
comment on type media_file_kind is 'What a file is to its analysis.';

create table media_files (
    id                uuid primary key default gen_random_uuid(),
    request_id        uuid not null references media_analysis_requests (id) on delete cascade,
    kind              media_file_kind not null,
    filename          text not null,
    original_path     text,
    storage_path      text not null,
    relative_path     text generated always as (substring(storage_path from '[^/]+/(.+)')) stored,
    size_bytes        bigint not null,
    mime_type         text not null,
    checksum          char(64) not null,
    width             integer,
    height            integer,
    duration_seconds  double precision,
    at_seconds        double precision,
    retention_days    integer,
    uploaded_at       timestamptz not null default now(),
    expires_at        timestamptz,
    deleted_at        timestamptz,

    constraint filename_is_a_name check (filename <> '' and filename !~ '[/\\]' and filename not in ('.', '..')),
    constraint size_not_negative check (size_bytes >= 0),
    constraint checksum_is_sha256 check (checksum ~ '^[0-9a-f]{64}$'),
    constraint picture_has_extent check (width > 0 and height > 0),
    constraint duration_not_negative check (duration_seconds >= 0),
    constraint frame_has_time check (kind <> 'frame' or at_seconds >= 0),
    constraint retention_positive check (retention_days > 0),
    constraint kept_or_expires check ((retention_days is null) = (expires_at is null))
);

comment on table media_files is 'Files in storage: the original, and what was cut out of it. A row outlives its file, to say that it was there.';
comment on column media_files.id is 'Identity of the file.';
comment on column media_files.request_id is 'The analysis it belongs to; files are copied, never shared between analyses.';
comment on column media_files.kind is 'What it is to its analysis.';
comment on column media_files.filename is 'Our name for it, unique within the analysis; the last part of its public address.';
comment on column media_files.original_path is 'The client''s name or URL for it. Shown, never used as a path.';
comment on column media_files.storage_path is 'Its key in the storage: area/day/analysis/name.';
comment on column media_files.relative_path is 'Its key below the area.';
comment on column media_files.size_bytes is 'Bytes.';
comment on column media_files.mime_type is 'Type by content.';
comment on column media_files.checksum is 'SHA-256 (hex) of its bytes.';
comment on column media_files.width is 'Pixels, as shown.';
comment on column media_files.height is 'Pixels, as shown.';
comment on column media_files.duration_seconds is 'Duration that was decoded, or declared where nothing was.';
comment on column media_files.at_seconds is 'A frame''s true time in its video.';
comment on column media_files.retention_days is 'Days it is kept; null: for ever.';
comment on column media_files.uploaded_at is 'When it was stored.';
comment on column media_files.expires_at is 'When it may be removed; null: never.';
comment on column media_files.deleted_at is 'When it was removed from storage.';

create unique index files_by_name on media_files (request_id, filename) where deleted_at is null;
comment on index files_by_name is 'One file of a name in an analysis, and the way to it.';
create unique index files_by_path on media_files (storage_path) where deleted_at is null;
comment on index files_by_path is 'From what lies in storage to its row: what has none is an orphan.';
create unique index files_one_original on media_files (request_id) where kind = 'original' and deleted_at is null;
comment on index files_one_original is 'An analysis has one original.';
create index files_expiring on media_files (expires_at) where expires_at is not null and deleted_at is null;
comment on index files_expiring is 'What the sweep removes next.';
create index files_checksum on media_files (checksum) where kind = 'original' and deleted_at is null;
comment on index files_checksum is 'The same bytes again.';

create table contact_sheets (
    request_id       uuid primary key references media_analysis_requests (id) on delete cascade,
    file_id          uuid not null references media_files (id) on delete cascade,
    storage_path     text not null,
    relative_path    text generated always as (substring(storage_path from '[^/]+/(.+)')) stored,
    frames_count     integer not null,
    grid_layout      text not null default '2x3',
    resolution       text not null default '1920x1080',
    file_size_bytes  bigint not null,
    checksum         char(64) not null,
    metadata         jsonb not null default '{}',
    created_at       timestamptz not null default now(),

    constraint frames_positive check (frames_count > 0),
    constraint grid_is_rows_by_columns check (grid_layout ~ '^[1-9][0-9]*x[1-9][0-9]*$'),
    constraint resolution_is_width_by_height check (resolution ~ '^[1-9][0-9]*x[1-9][0-9]*$'),
    constraint file_size_positive check (file_size_bytes > 0),
    constraint checksum_is_sha256 check (checksum ~ '^[0-9a-f]{64}$')
);

comment on table contact_sheets is 'The contact sheet of an analysis: its frames in one picture.';
comment on column contact_sheets.request_id is 'The analysis.';
comment on column contact_sheets.file_id is 'Its file.';
comment on column contact_sheets.storage_path is 'Its key in the storage: area/day/analysis/name.';
comment on column contact_sheets.relative_path is 'Its key below the area.';
comment on column contact_sheets.frames_count is 'Frames on it.';
comment on column contact_sheets.grid_layout is 'Rows x columns.';
comment on column contact_sheets.resolution is 'Width x height in pixels.';
comment on column contact_sheets.file_size_bytes is 'Bytes.';
comment on column contact_sheets.checksum is 'SHA-256 (hex) of its bytes.';
comment on column contact_sheets.metadata is '{"tiles": [...]}: place and time of each frame.';
comment on column contact_sheets.created_at is 'When it was made.';

create index contact_sheets_file on contact_sheets (file_id);
comment on index contact_sheets_file is 'From a file to its sheet, for the foreign key.';
