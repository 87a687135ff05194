-- lanes: limits and pauses of owners, kinds and providers.

-- name: cool_provider
-- A provider asked to be left alone: nobody calls it before then. A longer pause stays.
-- $1 provider text, $2 pause_seconds float8, $3 reason text
insert into lanes as lane (scope, name, paused_until, reason)
values ('provider', $1, now() + make_interval(secs => $2), $3)
on conflict (scope, name) do update
set paused_until = excluded.paused_until, reason = excluded.reason
where lane.paused_until is null or lane.paused_until < excluded.paused_until;

-- name: cooling_providers
-- Providers that are left alone now, by their own wish or an operator's pause, and for how many seconds yet.
select name, case when isfinite(paused_until) then extract(epoch from paused_until - now())::float8
                  else 'infinity'::float8 end as seconds
from lanes
where scope = 'provider' and paused_until > now();
