-- lanes: limits and pauses of owners, kinds and providers.

-- name: cool_provider
-- A provider asked to be left alone: none of its jobs is claimed by anybody before then. A longer pause stays.
-- $1 provider text, $2 pause_seconds float8, $3 reason text
insert into lanes as lane (scope, name, paused_until, reason)
values ('provider', $1, now() + make_interval(secs => $2), $3)
on conflict (scope, name) do update
set paused_until = excluded.paused_until, reason = excluded.reason
where lane.paused_until is null or lane.paused_until < excluded.paused_until;
