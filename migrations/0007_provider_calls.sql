-- depends: 0004_stages_and_results 0006_ops
-- What was asked of providers, and what it cost: the ledger.

create table provider_calls (
    id                   bigint primary key generated always as identity,
    request_id           uuid not null references media_analysis_requests (id) on delete cascade,
    owner_id             uuid not null,
    stage                text not null,
    chunk                integer not null default 0,
    provider             text not null,
    model                text not null,
    operation            text not null,
    outcome              text not null,
    attempt              smallint not null,
    latency_ms           integer not null,
    input_tokens         integer not null default 0,
    output_tokens        integer not null default 0,
    audio_seconds        double precision not null default 0,
    cost_usd             decimal(14, 8),
    billed               boolean not null generated always as (cost_usd is distinct from 0) stored,
    provider_request_id  text,
    detail               text,
    created_at           timestamptz not null default now(),

    constraint chunk_not_negative check (chunk >= 0),
    constraint operation_is_known check (operation in ('transcription', 'answer')),
    constraint attempt_positive check (attempt > 0),
    constraint latency_not_negative check (latency_ms >= 0),
    constraint tokens_not_negative check (input_tokens >= 0 and output_tokens >= 0),
    constraint audio_not_negative check (audio_seconds >= 0),
    constraint cost_not_negative check (cost_usd >= 0)
);

comment on table provider_calls is 'Each call of a provider, whatever came of it. Only added to: what was spent stays spent, whoever holds the job.';
comment on column provider_calls.id is 'In the order of ending.';
comment on column provider_calls.request_id is 'The analysis it was made for.';
comment on column provider_calls.owner_id is 'Owner of the analysis: who pays.';
comment on column provider_calls.stage is 'The stage it was made for: transcribe or answer.';
comment on column provider_calls.chunk is 'The part of the stage; 0 for the whole.';
comment on column provider_calls.provider is 'Who was called.';
comment on column provider_calls.model is 'Which model.';
comment on column provider_calls.operation is 'transcription or answer.';
comment on column provider_calls.outcome is 'done, or why not: rejected, refused, credentials, quota, busy, failed, timeout, unusable, cancelled.';
comment on column provider_calls.attempt is 'Counts from 1 over the calls made for the same request, whoever was called.';
comment on column provider_calls.latency_ms is 'Milliseconds from sending to the end of the answer.';
comment on column provider_calls.input_tokens is 'Tokens sent, as the provider counts them.';
comment on column provider_calls.output_tokens is 'Tokens received, those of thinking too.';
comment on column provider_calls.audio_seconds is 'Seconds of sound sent.';
comment on column provider_calls.cost_usd is 'US dollars: the provider''s own figure, else by the price list; null: unknown.';
comment on column provider_calls.billed is 'Whether it was, or may have been, paid for.';
comment on column provider_calls.provider_request_id is 'The provider''s name for the call, for its support.';
comment on column provider_calls.detail is 'What the provider said about a failure, without secrets.';
comment on column provider_calls.created_at is 'When it ended.';

create index provider_calls_of_analysis on provider_calls (request_id);
comment on index provider_calls_of_analysis is 'What one analysis cost.';
create index provider_calls_recent on provider_calls (created_at);
comment on index provider_calls_recent is 'What was spent lately: ops.spend.';

create view ops.spend as
select created_at::date as day, provider, model, operation,
       count(*) as calls,
       count(*) filter (where outcome <> 'done') as failed,
       round(sum(audio_seconds)::numeric / 60, 1) as audio_minutes,
       sum(input_tokens) as input_tokens,
       sum(output_tokens) as output_tokens,
       round(coalesce(sum(cost_usd), 0), 4) as cost_usd,
       count(*) filter (where cost_usd is null) as cost_unknown,
       round(percentile_cont(0.5) within group (order by latency_ms)) as median_ms
from provider_calls
where created_at >= now() - interval '31 days'
group by created_at::date, provider, model, operation
order by day desc, cost_usd desc, provider, model, operation;
comment on view ops.spend is 'What providers did and cost in the last 31 days. cost_unknown counts calls whose cost is not in the sum.';
