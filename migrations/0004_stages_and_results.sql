-- depends: 0001_types_and_analyses
-- What the stages of an analysis did, and what came out of them.

create type analysis_stage_state as enum ('running', 'done', 'failed', 'reused', 'skipped');
comment on type analysis_stage_state is 'How a stage stands. reused: taken from an earlier stage with the same input_key.';

create table analysis_stages (
    request_id     uuid not null references media_analysis_requests (id) on delete cascade,
    stage          text not null,
    chunk          integer not null default 0,
    owner_id       uuid not null,
    state          analysis_stage_state not null,
    attempt        smallint not null default 1,
    input_key      char(64),
    output         jsonb,
    provider       text,
    model          text,
    input_tokens   integer not null default 0,
    output_tokens  integer not null default 0,
    cost_usd       decimal(10, 6),
    duration_ms    integer,
    reused_from    uuid,
    error_code     text,
    started_at     timestamptz not null default now(),
    finished_at    timestamptz,

    primary key (request_id, stage, chunk),
    constraint chunk_not_negative check (chunk >= 0),
    constraint attempt_positive check (attempt > 0),
    constraint input_key_is_sha256 check (input_key ~ '^[0-9a-f]{64}$'),
    constraint tokens_not_negative check (input_tokens >= 0 and output_tokens >= 0),
    constraint cost_not_negative check (cost_usd >= 0),
    constraint duration_not_negative check (duration_ms >= 0),
    constraint ended_has_time check ((state = 'running') = (finished_at is null)),
    constraint failed_says_why check (state <> 'failed' or error_code is not null),
    constraint reused_says_whence check ((state = 'reused') = (reused_from is not null)),
    constraint reusable_has_output check (state not in ('done', 'reused') or output is not null)
);

comment on table analysis_stages is 'Each stage of each analysis: timeline for users, checkpoint for retries, ledger for cost.';
comment on column analysis_stages.request_id is 'The analysis.';
comment on column analysis_stages.stage is 'fetch, probe, frames, contact_sheet, audio, transcribe, read_text, answer, publish.';
comment on column analysis_stages.chunk is 'Part of a stage that works in parts; 0 for the whole.';
comment on column analysis_stages.owner_id is 'Owner of the analysis: work is reused within one owner only.';
comment on column analysis_stages.state is 'How it stands.';
comment on column analysis_stages.attempt is 'Attempt of the job that wrote this.';
comment on column analysis_stages.input_key is 'SHA-256 (hex) of stage, version, media and parameters: equal means the same output.';
comment on column analysis_stages.output is 'What it gave, as far as it is not files.';
comment on column analysis_stages.provider is 'Who did it, where a provider did.';
comment on column analysis_stages.model is 'With which model.';
comment on column analysis_stages.input_tokens is 'Tokens sent; 0 where it was reused: nothing is paid twice.';
comment on column analysis_stages.output_tokens is 'Tokens received.';
comment on column analysis_stages.cost_usd is 'Cost in US dollars; null: unknown.';
comment on column analysis_stages.duration_ms is 'Milliseconds it took.';
comment on column analysis_stages.reused_from is 'The analysis whose stage was reused.';
comment on column analysis_stages.error_code is 'Why it failed.';
comment on column analysis_stages.started_at is 'When it began.';
comment on column analysis_stages.finished_at is 'When it ended.';

create index stages_reusable on analysis_stages (owner_id, stage, input_key) where state in ('done', 'reused');
comment on index stages_reusable is 'Finished work that need not be done again.';

create table transcriptions (
    request_id        uuid primary key references media_analysis_requests (id) on delete cascade,
    provider          text not null,
    model             text not null,
    text_content      text not null,
    language          text,
    confidence_score  double precision,
    words             jsonb not null default '[]',
    segments          jsonb not null default '[]',
    gaps              jsonb not null default '[]',
    metadata          jsonb not null default '{}',
    created_at        timestamptz not null default now(),
    text_search       tsvector generated always as (to_tsvector('simple', left(text_content, 250000))) stored,

    constraint confidence_in_range check (confidence_score between 0 and 1),
    constraint words_is_array check (jsonb_typeof(words) = 'array'),
    constraint segments_is_array check (jsonb_typeof(segments) = 'array'),
    constraint gaps_is_array check (jsonb_typeof(gaps) = 'array')
);

comment on table transcriptions is 'What was said, with the time of each word.';
comment on column transcriptions.request_id is 'The analysis.';
comment on column transcriptions.provider is 'Who transcribed.';
comment on column transcriptions.model is 'With which model.';
comment on column transcriptions.text_content is 'The text; empty where the sound holds no speech.';
comment on column transcriptions.language is 'Language tag, as heard or as asked for.';
comment on column transcriptions.confidence_score is '0 to 1; null where the provider gives none.';
comment on column transcriptions.words is 'Array of {text, start, end, confidence, speaker}; seconds from the start of the media.';
comment on column transcriptions.segments is 'Array of {text, start, end, confidence, speaker}: sentences or turns.';
comment on column transcriptions.gaps is 'Array of {start, end, reason}: what should have been heard and was not.';
comment on column transcriptions.metadata is 'Whatever else is known, such as no_speech.';
comment on column transcriptions.created_at is 'When it was stored.';
comment on column transcriptions.text_search is 'Words for full-text search, in no particular language.';

create index transcriptions_search on transcriptions using gin (text_search);
comment on index transcriptions_search is 'Full-text search in what was said.';

create table media_analysis_results (
    request_id         uuid primary key references media_analysis_requests (id) on delete cascade,
    analysis_type      media_type_enum not null,
    result_text        text not null,
    summary            text not null,
    topics             text[] not null default '{}',
    detailed_analysis  jsonb not null default '{}',
    model_used         text not null,
    prompt_used        text not null,
    provider           text not null,
    input_tokens       integer not null default 0,
    output_tokens      integer not null default 0,
    cost_usd           decimal(10, 6),
    latency_ms         integer,
    confidence_score   double precision,
    metadata           jsonb not null default '{}',
    created_at         timestamptz not null default now(),
    text_search        tsvector generated always as (to_tsvector('simple', left(summary || ' ' || result_text, 250000))) stored,

    constraint tokens_not_negative check (input_tokens >= 0 and output_tokens >= 0),
    constraint cost_not_negative check (cost_usd >= 0),
    constraint latency_not_negative check (latency_ms >= 0),
    constraint confidence_in_range check (confidence_score between 0 and 1)
);

comment on table media_analysis_results is 'The answer to the prompt, its summary, and what it cost.';
comment on column media_analysis_results.request_id is 'The analysis.';
comment on column media_analysis_results.analysis_type is 'Kind of media that was analysed.';
comment on column media_analysis_results.result_text is 'The answer.';
comment on column media_analysis_results.summary is 'The media in a few sentences.';
comment on column media_analysis_results.topics is 'What it is about, most important first.';
comment on column media_analysis_results.detailed_analysis is 'Evidence, on-screen text, pages, facts: whatever the stages found.';
comment on column media_analysis_results.model_used is 'Model that answered.';
comment on column media_analysis_results.prompt_used is 'The prompt as it was sent.';
comment on column media_analysis_results.provider is 'Who answered.';
comment on column media_analysis_results.input_tokens is 'Tokens sent, all stages together.';
comment on column media_analysis_results.output_tokens is 'Tokens received, all stages together.';
comment on column media_analysis_results.cost_usd is 'Cost in US dollars, all stages together; null: unknown.';
comment on column media_analysis_results.latency_ms is 'Milliseconds from start to completion.';
comment on column media_analysis_results.confidence_score is '0 to 1; null where the provider gives none.';
comment on column media_analysis_results.metadata is 'Whatever else is known, such as extractive.';
comment on column media_analysis_results.created_at is 'When it was stored.';
comment on column media_analysis_results.text_search is 'Words for full-text search, in no particular language.';

create index results_search on media_analysis_results using gin (text_search);
comment on index results_search is 'Full-text search in answers and summaries.';
