-- analysis_stages: what each stage of an analysis did. Timeline, checkpoint and ledger.

-- name: start_stage
-- The worker that holds the job begins a stage. No row: the job was taken away.
-- $1 analysis_id uuid, $2 job_id bigint, $3 fence bigint, $4 stage text, $5 input_key character, $6 chunk integer
with held as (
    select owner_id, attempt from processing_jobs
     where id = $2 and fence = $3 and state = 'running' and request_id = $1
       for key share
)
insert into analysis_stages as stage (request_id, stage, chunk, owner_id, state, attempt, input_key)
select $1, $4, $6, held.owner_id, 'running', held.attempt, $5 from held
on conflict (request_id, stage, chunk) do update
   set state = 'running', attempt = excluded.attempt, input_key = excluded.input_key, output = null, provider = null,
       model = null, input_tokens = 0, output_tokens = 0, cost_usd = null, duration_ms = null, reused_from = null,
       error_code = null, started_at = now(), finished_at = null
returning stage.request_id;

-- name: finish_stage
-- The worker that holds the job ends a stage: done, failed, reused or skipped. No row: the job was taken away.
-- $1 analysis_id uuid, $2 job_id bigint, $3 fence bigint, $4 outcome jsonb
with held as (
    select owner_id, attempt from processing_jobs
     where id = $2 and fence = $3 and state = 'running' and request_id = $1
       for key share
)
insert into analysis_stages as stage (
    request_id, stage, chunk, owner_id, state, attempt, input_key, output, provider, model, input_tokens, output_tokens,
    cost_usd, duration_ms, reused_from, error_code, finished_at)
select $1, ended.stage, ended.chunk, held.owner_id, ended.state, held.attempt, ended.input_key, ended.output,
       ended.provider, ended.model, coalesce(ended.input_tokens, 0), coalesce(ended.output_tokens, 0), ended.cost_usd,
       ended.duration_ms, ended.reused_from, ended.error_code, now()
from held cross join jsonb_to_record($4) as ended (
    stage text, chunk integer, state analysis_stage_state, input_key text, output jsonb, provider text, model text,
    input_tokens integer, output_tokens integer, cost_usd numeric, duration_ms integer, reused_from uuid, error_code text)
on conflict (request_id, stage, chunk) do update
   set state = excluded.state, attempt = excluded.attempt, input_key = excluded.input_key, output = excluded.output,
       provider = excluded.provider, model = excluded.model, input_tokens = excluded.input_tokens,
       output_tokens = excluded.output_tokens, cost_usd = excluded.cost_usd, duration_ms = excluded.duration_ms,
       reused_from = excluded.reused_from, error_code = excluded.error_code, finished_at = excluded.finished_at
returning stage.request_id;

-- name: find_reusable
-- A finished stage of this owner with the same inputs: of this analysis if there is one, else the latest.
-- $1 owner_id uuid, $2 analysis_id uuid, $3 stage text, $4 input_key character
select stage.request_id, stage.output, stage.provider, stage.model
from analysis_stages stage
join media_analysis_requests analysis on analysis.id = stage.request_id
where stage.owner_id = $1 and stage.stage = $3 and stage.input_key = $4 and stage.state in ('done', 'reused')
  and analysis.status <> 'deleted'
order by stage.request_id = $2 desc, stage.finished_at desc
limit 1;

-- name: list_all
-- The timeline of one analysis.
-- $1 analysis_id uuid
select stage, chunk, state, attempt, provider, model, input_tokens, output_tokens, cost_usd, duration_ms, reused_from,
       error_code, started_at, finished_at
from analysis_stages
where request_id = $1
order by started_at, stage, chunk;

-- name: read_outputs
-- What the finished stages of one analysis gave, each as a whole.
-- $1 analysis_id uuid
select stage, output
from analysis_stages
where request_id = $1 and chunk = 0 and state in ('done', 'reused')
order by stage;
