-- media_analysis_results: the answer to the prompt, its summary, and what it cost.

-- name: put
-- The result of an analysis; tokens and cost are those of all calls made for it, in vain or not, in any attempt. Cost is
-- null where that of any is unknown. Row: the cost.
-- $1 analysis_id uuid, $2 prompt text, $3 media_type media_type_enum, $4 answer jsonb
with spent as (
    select coalesce(sum(input_tokens), 0) as input_tokens, coalesce(sum(output_tokens), 0) as output_tokens,
           case when count(*) = count(cost_usd) then coalesce(sum(cost_usd), 0) end as cost_usd
    from provider_calls
    where request_id = $1
)
insert into media_analysis_results (
    request_id, analysis_type, result_text, summary, topics, detailed_analysis, model_used, prompt_used, provider,
    input_tokens, output_tokens, cost_usd, latency_ms, confidence_score, metadata)
select $1, $3, answer.text, answer.summary, answer.topics,
       answer.detailed_analysis || jsonb_build_object('evidence', answer.evidence), answer.model, $2, answer.provider,
       spent.input_tokens, spent.output_tokens, spent.cost_usd,
       1000 * extract(epoch from now() - coalesce(analysis.started_at, analysis.created_at)), answer.confidence,
       jsonb_build_object('extractive', answer.extractive)
from spent
cross join jsonb_to_record($4) as answer (
    text text, summary text, topics text[], provider text, model text, extractive boolean, confidence float8,
    evidence jsonb, detailed_analysis jsonb)
join media_analysis_requests analysis on analysis.id = $1
on conflict (request_id) do update
   set analysis_type = excluded.analysis_type, result_text = excluded.result_text, summary = excluded.summary,
       topics = excluded.topics, detailed_analysis = excluded.detailed_analysis, model_used = excluded.model_used,
       prompt_used = excluded.prompt_used, provider = excluded.provider, input_tokens = excluded.input_tokens,
       output_tokens = excluded.output_tokens, cost_usd = excluded.cost_usd, latency_ms = excluded.latency_ms,
       confidence_score = excluded.confidence_score, metadata = excluded.metadata, created_at = now()
returning cost_usd::float8;

-- name: get
-- The result of an analysis.
-- $1 analysis_id uuid
select request_id, analysis_type, result_text, summary, topics, detailed_analysis, model_used, prompt_used, provider,
       input_tokens, output_tokens, cost_usd, latency_ms, confidence_score, metadata, created_at
from media_analysis_results
where request_id = $1;
