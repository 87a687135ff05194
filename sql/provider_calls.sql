-- provider_calls: each call of a provider, whatever came of it, and what it cost.

-- name: add
-- A call has ended. Not fenced: what was spent stays spent, also by a worker that has lost the job since. Where the
-- analysis has ended before (cancelled in the middle of the call), its result has changed, and that is announced.
-- $1 analysis_id uuid, $2 stage text, $3 chunk integer, $4 call jsonb
with added as (
    insert into provider_calls (
        request_id, owner_id, stage, chunk, provider, model, operation, outcome, attempt, latency_ms, input_tokens,
        output_tokens, audio_seconds, cost_usd, provider_request_id, detail)
    select analysis.id, analysis.owner_id, $2, $3, call.provider, call.model, call.operation, call.outcome,
           call.attempt, call.latency_ms, call.input_tokens, call.output_tokens, call.audio_seconds, call.cost_usd,
           call.request_id, call.detail
    from media_analysis_requests analysis
    cross join jsonb_to_record($4) as call (
        provider text, model text, operation text, outcome text, attempt smallint, latency_ms integer,
        input_tokens integer, output_tokens integer, audio_seconds float8, cost_usd numeric, request_id text,
        detail text)
    where analysis.id = $1
    returning request_id
)
select pg_notify('mediaanalysis_changed', analysis.id::text)
from media_analysis_requests analysis
join added on added.request_id = analysis.id
where analysis.status not in ('pending', 'processing');

-- name: sum_spent
-- What the calls of one analysis cost so far, and how many of them cost nobody knows how much.
-- $1 analysis_id uuid
select coalesce(sum(cost_usd), 0)::float8 as cost_usd, count(*) filter (where cost_usd is null) as unknown
from provider_calls
where request_id = $1;

-- name: list_all
-- The calls of one analysis, in order.
-- $1 analysis_id uuid
select stage, chunk, provider, model, operation, outcome, attempt, latency_ms, input_tokens, output_tokens, audio_seconds,
       cost_usd::float8 as cost_usd, billed, provider_request_id, detail, created_at
from provider_calls
where request_id = $1
order by id;
