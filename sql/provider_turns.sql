-- provider_turns: calls of providers under way, for their limits over all workers.

-- name: take
-- A turn to call a provider. Row: its number; 0: the provider is at its limit; -1: the job is not held under this fence.
-- $1 provider text, $2 job_id bigint, $3 fence bigint
select take_turn($1, $2, $3);

-- name: give_back
-- These calls ended.
-- $1 turns bigint[]
delete from provider_turns where id = any($1);
