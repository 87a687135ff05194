-- What is let in: how much an owner may ask, counted over all processes, and what need not be done twice. And what signs links.
-- depends: 0005_audit_and_keys 0003_jobs

-- A bucket holds a minute's worth when it is full, and fills evenly. No row: full. Below zero: a large upload was let in
-- as a whole, and the next one waits until it is paid for.
create table rate_buckets (
    bucket_id  uuid not null,
    kind       text not null check (kind in ('submit', 'poll', 'upload')),
    level      double precision not null,
    filled_at  timestamptz not null default clock_timestamp(),

    primary key (bucket_id, kind)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_cost_delay = 0);

comment on table rate_buckets is 'What may still be asked: a token bucket of each kind. Rows exist only where there is a limit.';
comment on column rate_buckets.bucket_id is 'The owner, whose keys share the service''s limit; or the key that has a limit of its own.';
comment on column rate_buckets.kind is 'submit (analyses), poll (requests of any kind) or upload (bytes).';
comment on column rate_buckets.level is 'Tokens that were left at filled_at.';
comment on column rate_buckets.filled_at is 'When the level was written; since then it has risen by the limit per minute.';

create type grant_of_tokens as (granted bigint, remaining bigint, wait_seconds double precision);
comment on type grant_of_tokens is 'What was taken from a bucket, what is left, and how long until there is enough for the next (0: now).';

create function take_tokens(bucket_id uuid, kind text, per_minute bigint, wanted bigint, at_least bigint)
returns grant_of_tokens language plpgsql as $$
declare
    available  double precision;
    needed     double precision := least(at_least, per_minute);
    given      double precision := 0;
begin
    insert into rate_buckets as bucket (bucket_id, kind, level) values (take_tokens.bucket_id, take_tokens.kind, per_minute)
    on conflict do nothing;
    -- From here on we alone count in this bucket, until the end of the transaction.
    select least(per_minute, bucket.level
                 + per_minute / 60.0 * greatest(0, extract(epoch from clock_timestamp() - bucket.filled_at)))
      into available
      from rate_buckets bucket
     where bucket.bucket_id = take_tokens.bucket_id and bucket.kind = take_tokens.kind
       for no key update;
    if available >= needed then
        given := greatest(at_least, least(wanted, floor(available)));
    end if;
    update rate_buckets bucket
       set level = available - given, filled_at = clock_timestamp()
     where bucket.bucket_id = take_tokens.bucket_id and bucket.kind = take_tokens.kind;
    return (given::bigint, greatest(0, floor(available - given))::bigint,
            greatest(0, (case when given > 0 then 1 else needed end - (available - given)) * 60.0 / per_minute)::double precision);
end $$;
comment on function take_tokens(uuid, text, bigint, bigint, bigint) is
    'Take up to wanted tokens, and nothing where there are fewer than at_least. More than a minute''s worth at once is a debt.';

create type admission as (
    owner_id uuid, bucket_id uuid, submits_per_minute bigint, max_active bigint,
    admitted bigint, refusal text, remaining bigint, wait_seconds double precision);
comment on type admission is 'How many requests under a limit may become analyses; why not more: rate_limited or too_many_active.';

create function admit(asking jsonb) returns setof admission language plpgsql as $$
declare
    next_one  record;
    verdict   admission;
    taken     grant_of_tokens;
    room      bigint;
    before    bigint := 0;
    served    uuid;
begin
    -- In one order: batches of two processes wait for each other, never in a circle.
    for next_one in
        select * from jsonb_to_recordset(asking)
            as (owner_id uuid, bucket_id uuid, submits_per_minute bigint, max_active bigint, requests bigint)
        order by owner_id, nullif(max_active, 0) nulls last, bucket_id
    loop
        before := case when served is distinct from next_one.owner_id then 0 else before end;
        room := next_one.requests;
        verdict := (next_one.owner_id, next_one.bucket_id, next_one.submits_per_minute, next_one.max_active, 0, null, null, 0);
        if next_one.max_active > 0 then
            -- Whoever submits for the same owner waits here for our commit: the count, which is younger, is exact.
            perform pg_advisory_xact_lock(hashtextextended('active ' || next_one.owner_id::text, 0));
            select greatest(0, least(room, next_one.max_active - before - count(*))) into room
              from (select from processing_jobs job
                     where job.owner_id = next_one.owner_id and job.kind = 'analyze' limit next_one.max_active) as active;
            verdict.refusal := case when room < next_one.requests then 'too_many_active' end;
        end if;
        verdict.admitted := room;
        if room > 0 and next_one.submits_per_minute > 0 then
            taken := take_tokens(next_one.bucket_id, 'submit', next_one.submits_per_minute, room, 1);
            verdict.admitted := taken.granted;
            verdict.refusal := case when taken.granted < room then 'rate_limited' else verdict.refusal end;
            verdict.remaining := taken.remaining;
            verdict.wait_seconds := taken.wait_seconds;
        end if;
        before := before + verdict.admitted;
        served := next_one.owner_id;
        return next verdict;
    end loop;
end $$;
comment on function admit(jsonb) is
    'Let in as many requests as limits permit, exactly, and count them: [{owner_id, bucket_id, submits_per_minute, max_active, requests}]. A limit of null or 0: none.';

create function find_unfinished(owner_id uuid, prompt_hash text) returns uuid language plpgsql as $$
begin
    -- The next one with the same question waits for our commit, and then finds what we made.
    perform pg_advisory_xact_lock(hashtextextended('reuse ' || owner_id::text || prompt_hash, 0));
    return (
        select analysis.id from media_analysis_requests analysis
         where analysis.owner_id = find_unfinished.owner_id and analysis.prompt_hash = find_unfinished.prompt_hash
           and analysis.status in ('pending', 'processing')
         order by analysis.created_at, analysis.id
         limit 1);
end $$;
comment on function find_unfinished(uuid, text) is
    'The owner''s unfinished analysis of the same question. Until the end of the transaction nobody else is told that there is none.';

create table link_secrets (
    id         bigint generated always as identity primary key,
    secret     text not null default gen_random_uuid()::text || gen_random_uuid()::text check (length(secret) >= 43),
    created_at timestamptz not null default now()
);
comment on table link_secrets is 'What signs links to files: the latest. To make every link given out so far invalid, insert another (insert into link_secrets default values).';
comment on column link_secrets.id is 'Order.';
comment on column link_secrets.secret is 'Known to the service alone: 244 random bits.';
comment on column link_secrets.created_at is 'When it was made.';

create trigger notify_keys after insert or delete or update on link_secrets
    for each statement execute function notify_keys();
comment on trigger notify_keys on link_secrets is 'It is read together with the keys.';
