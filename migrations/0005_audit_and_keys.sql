-- depends: 0002_files_and_sheets
-- Who may ask, what was asked before, and a record of every change that nobody can alter.

create table api_keys (
    id                   uuid primary key default gen_random_uuid(),
    name                 text not null,
    owner_id             uuid not null,
    key_hash             char(64) not null unique,
    prefix               text not null,
    scopes               text[] not null default '{read,write}',
    submits_per_minute   integer,
    polls_per_minute     integer,
    upload_bytes_per_minute bigint,
    max_active           integer,
    created_at           timestamptz not null default now(),
    last_used_at         timestamptz,
    expires_at           timestamptz,
    revoked_at           timestamptz,

    constraint name_not_empty check (name <> ''),
    constraint key_hash_is_sha256 check (key_hash ~ '^[0-9a-f]{64}$'),
    constraint scopes_are_known check (scopes <@ '{read,write,admin}' and cardinality(scopes) > 0),
    constraint limits_not_negative check (least(submits_per_minute, polls_per_minute, upload_bytes_per_minute, max_active) >= 0)
);

comment on table api_keys is 'API keys. The key itself is shown once, when it is made, and kept nowhere.';
comment on column api_keys.id is 'Identity of the key.';
comment on column api_keys.name is 'What people call it.';
comment on column api_keys.owner_id is 'The principal it stands for: owner of the analyses made with it.';
comment on column api_keys.key_hash is 'SHA-256 (hex) of the key.';
comment on column api_keys.prefix is 'First characters of the key, to recognise it in lists.';
comment on column api_keys.scopes is 'What it allows: read, write, admin.';
comment on column api_keys.submits_per_minute is 'Analyses that may be submitted with it in a minute; null: the service''s limit, which the owner''s keys share; 0: none.';
comment on column api_keys.polls_per_minute is 'Requests of any kind in a minute; null and 0 as before.';
comment on column api_keys.upload_bytes_per_minute is 'Bytes that may be uploaded with it in a minute; null and 0 as before.';
comment on column api_keys.max_active is 'Unfinished analyses that its owner may have for another to be submitted with it; null and 0 as before.';
comment on column api_keys.created_at is 'When it was made.';
comment on column api_keys.last_used_at is 'When it was last used, to the minute.';
comment on column api_keys.expires_at is 'When it stops working by itself; null: never.';
comment on column api_keys.revoked_at is 'When it was withdrawn.';

create index api_keys_owner on api_keys (owner_id);
comment on index api_keys_owner is 'Keys of a principal.';

create function notify_keys() returns trigger language plpgsql as $$
begin
    perform pg_notify('mediaanalysis_keys', '');
    return null;
end $$;
comment on function notify_keys() is 'Tells every process to read the keys again.';

-- Not for last_used_at, which tells nobody anything new.
create trigger notify_keys
    after insert or delete or truncate or update of name, owner_id, key_hash, scopes, submits_per_minute, polls_per_minute,
        upload_bytes_per_minute, max_active, expires_at, revoked_at on api_keys
    for each statement execute function notify_keys();
comment on trigger notify_keys on api_keys is 'A key that was withdrawn is refused at once, whoever withdrew it.';

create table idempotency_keys (
    owner_id     uuid not null,
    key          text not null,
    fingerprint  char(64) not null,
    analysis_id  uuid not null references media_analysis_requests (id) on delete cascade,
    expires_at   timestamptz not null default now() + interval '24 hours',

    primary key (owner_id, key),
    constraint key_has_length check (length(key) between 1 and 255),
    constraint fingerprint_is_sha256 check (fingerprint ~ '^[0-9a-f]{64}$')
);

comment on table idempotency_keys is 'Requests that carried an Idempotency-Key: the same key again gives the same analysis.';
comment on column idempotency_keys.owner_id is 'Who sent it; keys of two owners never meet.';
comment on column idempotency_keys.key is 'The client''s key.';
comment on column idempotency_keys.fingerprint is 'SHA-256 (hex) of the request: another request under the same key is an error.';
comment on column idempotency_keys.analysis_id is 'The analysis it led to.';
comment on column idempotency_keys.expires_at is 'From then on the key is free again.';

create index idempotency_expiring on idempotency_keys (expires_at);
comment on index idempotency_expiring is 'What the sweep removes next.';
create index idempotency_analysis on idempotency_keys (analysis_id);
comment on index idempotency_analysis is 'From an analysis to its key, for the foreign key.';

create type audit_action as enum ('insert', 'update', 'delete');
comment on type audit_action is 'What was done to a row.';

create table audit_log (
    id            bigint generated always as identity primary key,
    table_name    text not null,
    record_id     uuid not null,
    action        audit_action not null,
    old_values    jsonb,
    new_values    jsonb,
    performed_by  text not null,
    ip_address    inet,
    created_at    timestamptz not null default now()
);

comment on table audit_log is 'Every change of analyses, files and keys, written by triggers. Append-only: update, delete and truncate raise.';
comment on column audit_log.id is 'Order of writing.';
comment on column audit_log.table_name is 'Table of the row.';
comment on column audit_log.record_id is 'Id of the row.';
comment on column audit_log.action is 'What was done.';
comment on column audit_log.old_values is 'Update: the columns that changed, before (*** for a secret). Delete: the whole row.';
comment on column audit_log.new_values is 'Update: the columns that changed, after. Insert: the whole row.';
comment on column audit_log.performed_by is 'Who: a client''s key, mediaanalysis (the service by itself), or the database user who logged in.';
comment on column audit_log.ip_address is 'From where: the client''s address, or that of a database connection; null: the service, or a socket.';
comment on column audit_log.created_at is 'When the transaction began.';

create index audit_record on audit_log (record_id);
comment on index audit_record is 'History of one row.';
create index audit_created on audit_log using brin (created_at);
comment on index audit_created is 'What happened in a span of time; a few pages, however long the log.';

-- Runs as its owner: whoever may change a row writes the log with it, and may write it in no other way. Names are
-- qualified and the path is closed, so that nobody's own table stands in for the log.
create function audit_changes() returns trigger language plpgsql
security definer set search_path = pg_catalog, pg_temp as $$
declare
    named    text  := nullif(current_setting('mediaanalysis.actor', true), '');
    origin   inet  := nullif(current_setting('mediaanalysis.address', true), '');
    -- Who changes rows by hand says nothing: the user who logged in, from where.
    actor    text  := coalesce(named, session_user);
    address  inet  := case when named is null and origin is null then inet_client_addr() else origin end;
    -- One statement may write for many clients: analysis or record id -> [actor, address].
    authors  jsonb := coalesce(nullif(current_setting('mediaanalysis.authors', true), ''), '{}');
    -- That it changed is told, what it is never.
    secret   text[] := '{key_hash}';
    -- What the service notes while it works is no change by itself. By hand it is.
    passing  text[] := case when named is null then '{}' else '{last_used_at,progress,stage,updated_at}' end;
begin
    if tg_op = 'INSERT' then
        insert into public.audit_log (table_name, record_id, action, new_values, performed_by, ip_address)
        select tg_table_name, n.id, 'insert', row.whole - secret,
               coalesce(author.pair ->> 0, actor), case when author.pair is null then address else nullif(author.pair ->> 1, '')::inet end
          from new_rows n
         cross join lateral (select to_jsonb(n) as whole offset 0) row
         cross join lateral (select coalesce(authors -> n.id::text, authors -> (row.whole ->> 'request_id')) as pair offset 0) author;
    elsif tg_op = 'UPDATE' then
        insert into public.audit_log (table_name, record_id, action, old_values, new_values, performed_by, ip_address)
        select tg_table_name, n.id, 'update', changed.before, changed.after,
               coalesce(authors -> n.id::text ->> 0, actor),
               case when authors ? n.id::text then nullif(authors -> n.id::text ->> 1, '')::inet else address end
          from new_rows n
          join old_rows o on o.id = n.id
         cross join lateral (
               select jsonb_object_agg(was.key, case when was.key = any(secret) then '"***"' else was.value end) as before,
                      jsonb_object_agg(was.key, case when was.key = any(secret) then '"***"' else now.value end) as after,
                      bool_or(was.key <> all(passing)) as matters
                 from jsonb_each(to_jsonb(o)) was
                 join jsonb_each(to_jsonb(n)) now on now.key = was.key and now.value <> was.value) changed
         where changed.matters;
    else
        insert into public.audit_log (table_name, record_id, action, old_values, performed_by, ip_address)
        select tg_table_name, o.id, 'delete', to_jsonb(o) - secret, actor, address
          from old_rows o;
    end if;
    return null;
end $$;
-- A trigger of one's own, on a table of one's own, would write whatever one likes. Triggers that are there need no grant.
revoke execute on function audit_changes() from public;
comment on function audit_changes() is
    'Writes audit_log for a whole statement at once. Actor and address: settings mediaanalysis.actor and .address, or '
    '.authors by record; where none is set, the user who logged in and the address of the connection.';

create trigger audit_insert after insert on media_analysis_requests
    referencing new table as new_rows for each statement execute function audit_changes();
create trigger audit_update after update on media_analysis_requests
    referencing old table as old_rows new table as new_rows for each statement execute function audit_changes();
create trigger audit_delete after delete on media_analysis_requests
    referencing old table as old_rows for each statement execute function audit_changes();

create trigger audit_insert after insert on media_files
    referencing new table as new_rows for each statement execute function audit_changes();
create trigger audit_update after update on media_files
    referencing old table as old_rows new table as new_rows for each statement execute function audit_changes();
create trigger audit_delete after delete on media_files
    referencing old table as old_rows for each statement execute function audit_changes();

create trigger audit_insert after insert on api_keys
    referencing new table as new_rows for each statement execute function audit_changes();
create trigger audit_update after update on api_keys
    referencing old table as old_rows new table as new_rows for each statement execute function audit_changes();
create trigger audit_delete after delete on api_keys
    referencing old table as old_rows for each statement execute function audit_changes();

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% of % is refused', lower(tg_op), tg_table_name using errcode = 'insufficient_privilege',
        hint = 'What is written in the audit log stays; rows that it follows keep their id, and are deleted, not truncated.';
end $$;
comment on function refuse_change() is 'Raises: this would lose what happened.';

create trigger append_only before update or delete or truncate on audit_log
    for each statement execute function refuse_change();
comment on trigger append_only on audit_log is 'What is written stays.';

-- What the triggers above would not see: rows that go all at once, or come back as others.
create trigger audit_truncate before truncate on media_analysis_requests for each statement execute function refuse_change();
create trigger audit_truncate before truncate on media_files for each statement execute function refuse_change();
create trigger audit_truncate before truncate on api_keys for each statement execute function refuse_change();
create trigger audit_identity before update of id on media_analysis_requests for each statement execute function refuse_change();
create trigger audit_identity before update of id on media_files for each statement execute function refuse_change();
create trigger audit_identity before update of id on api_keys for each statement execute function refuse_change();
