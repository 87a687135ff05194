-- What a client asks for: the two enums, and the table of analyses.

create type media_analysis_status as enum ('pending', 'processing', 'completed', 'failed', 'cancelled', 'deleted');
comment on type media_analysis_status is 'Where an analysis stands. pending and processing are active; deleted is hidden, not purged.';

create type media_type_enum as enum ('video', 'audio', 'document', 'image', 'unknown');
comment on type media_type_enum is 'Kind of media, decided by its content, never by name or header.';

create table media_analysis_requests (
    id                  uuid primary key default gen_random_uuid(),
    correlation_id      uuid not null default gen_random_uuid(),
    owner_id            uuid not null,
    source_analysis_id  uuid references media_analysis_requests (id),
    media_url           text,
    original_filename   text,
    prompt              text not null,
    prompt_hash         char(64) not null,
    media_type          media_type_enum not null default 'unknown',
    status              media_analysis_status not null default 'pending',
    priority            integer not null default 5,
    config              jsonb not null default '{}',
    options             jsonb not null default '{}',
    progress            smallint not null default 0,
    stage               text,
    model_used          text,
    latency_ms          integer,
    error_code          text,
    error_message       text,
    retry_count         smallint not null default 0,
    warnings            jsonb not null default '[]',
    metadata            jsonb not null default '{}',
    callback_url        text,
    result_summary      jsonb,
    created_at          timestamptz not null default now(),
    updated_at          timestamptz not null default now(),
    started_at          timestamptz,
    completed_at        timestamptz,
    deleted_at          timestamptz,

    constraint prompt_not_empty check (prompt <> ''),
    -- Not by a pattern: matching 64 characters takes longer than two indexes.
    constraint prompt_hash_is_sha256 check (octet_length(decode(prompt_hash, 'hex')) = 32 and lower(prompt_hash) = prompt_hash),
    constraint priority_in_range check (priority between 0 and 10),
    constraint progress_in_range check (progress between 0 and 100),
    constraint retry_count_in_range check (retry_count between 0 and 10),
    constraint latency_not_negative check (latency_ms >= 0),
    constraint completed_is_whole check (status <> 'completed' or (progress = 100 and completed_at is not null)),
    constraint failed_says_why check (status <> 'failed' or error_code is not null),
    constraint deleted_has_time check ((status = 'deleted') = (deleted_at is not null)),
    constraint not_its_own_source check (source_analysis_id <> id),
    constraint config_is_object check (jsonb_typeof(config) = 'object'),
    constraint options_is_object check (jsonb_typeof(options) = 'object'),
    constraint metadata_is_object check (jsonb_typeof(metadata) = 'object'),
    constraint warnings_is_array check (jsonb_typeof(warnings) = 'array')
) with (fillfactor = 85);

comment on table media_analysis_requests is 'Analyses: what clients ask for, where each stands, and the short form of its answer. One row each, kept as history.';
comment on column media_analysis_requests.id is 'The analysis_id that the client was given.';
comment on column media_analysis_requests.correlation_id is 'Ties together the request, its log lines and its jobs. Given by the client or made here.';
comment on column media_analysis_requests.owner_id is 'Principal of the API key that created it; all zeros while the service runs without keys.';
comment on column media_analysis_requests.source_analysis_id is 'Asks again about the media of this earlier analysis of the same owner.';
comment on column media_analysis_requests.media_url is 'Where the media is fetched from; null for an upload.';
comment on column media_analysis_requests.original_filename is 'The client''s name for the file. Shown, never used as a path.';
comment on column media_analysis_requests.prompt is 'What the client wants to know.';
comment on column media_analysis_requests.prompt_hash is 'SHA-256 (hex) of media identity, prompt and config: equal means the same question.';
comment on column media_analysis_requests.media_type is 'Required by the client until the content was looked at, then what the content is.';
comment on column media_analysis_requests.status is 'Where it stands.';
comment on column media_analysis_requests.priority is '0 to 10, higher first; each step is worth a minute of waiting.';
comment on column media_analysis_requests.config is 'Who answers and how: provider, model, language, as given.';
comment on column media_analysis_requests.options is 'Which stages run and how much of each, as given.';
comment on column media_analysis_requests.progress is 'Percent, never falling within an attempt; 100 only when the result is stored.';
comment on column media_analysis_requests.stage is 'The stage that runs, or ran last.';
comment on column media_analysis_requests.model_used is 'Model that gave the answer.';
comment on column media_analysis_requests.latency_ms is 'Milliseconds from start to completion.';
comment on column media_analysis_requests.error_code is 'Why it failed: a stable code.';
comment on column media_analysis_requests.error_message is 'Why it failed, in words for the client.';
comment on column media_analysis_requests.retry_count is 'How often the client had it run again after a failure.';
comment on column media_analysis_requests.warnings is 'What could not be done but did not fail the whole: array of {code, message, stage}.';
comment on column media_analysis_requests.metadata is 'The client''s own object, returned as given.';
comment on column media_analysis_requests.callback_url is 'Where the outcome is delivered.';
comment on column media_analysis_requests.result_summary is '{summary, topics} of the result; null until completed.';
comment on column media_analysis_requests.created_at is 'When it was accepted.';
comment on column media_analysis_requests.updated_at is 'When the row last changed.';
comment on column media_analysis_requests.started_at is 'When a worker first took it, in this run.';
comment on column media_analysis_requests.completed_at is 'When it ended: completed, failed or cancelled.';
comment on column media_analysis_requests.deleted_at is 'When the client deleted it.';

create index analyses_active on media_analysis_requests (status, created_at) where status in ('pending', 'processing');
comment on index analyses_active is 'Unfinished analyses, for operators and repair.';
create index analyses_correlation on media_analysis_requests (correlation_id);
comment on index analyses_correlation is 'From a log line to its analysis.';
create index analyses_prompt_hash on media_analysis_requests (owner_id, prompt_hash);
comment on index analyses_prompt_hash is 'The same question by the same owner.';
create index analyses_source on media_analysis_requests (source_analysis_id) where source_analysis_id is not null;
comment on index analyses_source is 'Analyses that ask again about the media of another.';

-- History: an index per order, below the two columns that clients filter by. A page reads the head of each (status,
-- media type) that it asks for and merges them, so any filter is served alike; id makes each order total.
create index history_by_created on media_analysis_requests (owner_id, status, media_type, created_at, id);
create index history_by_completed on media_analysis_requests
    (owner_id, status, media_type, coalesce(completed_at, '-infinity'), id) include (completed_at, created_at);
create index history_by_updated on media_analysis_requests
    (owner_id, status, media_type, updated_at, id) include (created_at);
create index history_by_priority on media_analysis_requests (owner_id, status, media_type, priority, created_at, id);
comment on index history_by_created is 'History sorted by created_at, status or media type; its totals.';
comment on index history_by_completed is 'History sorted by completed_at; what has not ended counts as earliest.';
comment on index history_by_updated is 'History sorted by updated_at.';
comment on index history_by_priority is 'History sorted by priority.';

create function notify_changed() returns trigger language plpgsql as $$
begin
    perform pg_notify('mediaanalysis_changed', id::text) from new_rows;
    return null;
end $$;
comment on function notify_changed() is 'Tells every process that these analyses changed, whoever changed them: caches forget, watchers look.';

create trigger notify_changed after update on media_analysis_requests
    referencing new table as new_rows for each statement execute function notify_changed();
comment on trigger notify_changed on media_analysis_requests is 'Channel mediaanalysis_changed, payload the analysis id.';
