-- depends: 0002_files_and_sheets
-- Who may ask, what was asked before, and a record of every change that nobody can alter.

create table api_keys (
    id                   uuid primary key default gen_random_uuid(),
    name                 text not null,
    owner_id             uuid not null,
    key_hash             char(64) not null unique,
    prefix               text not null,
    scopes               text[] not null default '{read,write}',
    requests_per_minute  integer,
    analyses_per_day     integer,
    created_at           timestamptz not null default now(),
    last_used_at         timestamptz,
    expires_at           timestamptz,
    revoked_at           timestamptz,

    constraint name_not_empty check (name <> ''),
    constraint key_hash_is_sha256 check (key_hash ~ '^[0-9a-f]{64}$'),
    constraint scopes_are_known check (scopes <@ '{read,write,admin}' and cardinality(scopes) > 0),
    constraint limits_positive check (requests_per_minute > 0 and analyses_per_day > 0)
);

comment on table api_keys is 'API keys. The key itself is shown once, when it is made, and kept nowhere.';
comment on column api_keys.id is 'Identity of the key.';
comment on column api_keys.name is 'What people call it.';
comment on column api_keys.owner_id is 'The principal it stands for: owner of the analyses made with it.';
comment on column api_keys.key_hash is 'SHA-256 (hex) of the key.';
comment on column api_keys.prefix is 'First characters of the key, to recognise it in lists.';
comment on column api_keys.scopes is 'What it allows: read, write, admin.';
comment on column api_keys.requests_per_minute is 'Limit of requests; null: the service''s own.';
comment on column api_keys.analyses_per_day is 'Limit of analyses; null: the service''s own.';
comment on column api_keys.created_at is 'When it was made.';
comment on column api_keys.last_used_at is 'When it was last used, to the minute.';
comment on column api_keys.expires_at is 'When it stops working by itself; null: never.';
comment on column api_keys.revoked_at is 'When it was withdrawn.';

create index api_keys_owner on api_keys (owner_id);
comment on index api_keys_owner is 'Keys of a principal.';

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

comment on table audit_log is 'Every change of analyses, files and keys, written by triggers. Append-only: update and delete raise.';
comment on column audit_log.id is 'Order of writing.';
comment on column audit_log.table_name is 'Table of the row.';
comment on column audit_log.record_id is 'Id of the row.';
comment on column audit_log.action is 'What was done.';
comment on column audit_log.old_values is 'Update: the columns that changed, before. Delete: the whole row.';
comment on column audit_log.new_values is 'Update: the columns that changed, after. Insert: the whole row.';
comment on column audit_log.performed_by is 'Who: setting mediaanalysis.actor of the transaction, else the database user.';
comment on column audit_log.ip_address is 'From where: setting mediaanalysis.address of the transaction.';
comment on column audit_log.created_at is 'When the transaction began.';

create index audit_record on audit_log (record_id);
comment on index audit_record is 'History of one row.';
create index audit_created on audit_log using brin (created_at);
comment on index audit_created is 'What happened in a span of time; a few pages, however long the log.';

create function audit_changes() returns trigger language plpgsql as $$
declare
    actor    text  := coalesce(nullif(current_setting('mediaanalysis.actor', true), ''), current_user);
    address  inet  := nullif(current_setting('mediaanalysis.address', true), '');
    -- One statement may write for many clients: record id -> [actor, address].
    authors  jsonb := nullif(current_setting('mediaanalysis.authors', true), '');
    -- Secret: of no use in a record of what happened.
    hidden   text := 'key_hash';
begin
    if tg_op = 'INSERT' then
        insert into audit_log (table_name, record_id, action, new_values, performed_by, ip_address)
        select tg_table_name, n.id, 'insert', to_jsonb(n) - hidden,
               coalesce(authors -> n.id::text ->> 0, actor), coalesce((authors -> n.id::text ->> 1)::inet, address)
          from new_rows n;
    elsif tg_op = 'UPDATE' then
        insert into audit_log (table_name, record_id, action, old_values, new_values, performed_by, ip_address)
        select tg_table_name, n.id, 'update', changed.before, changed.after, actor, address
          from new_rows n
          join old_rows o on o.id = n.id
         cross join lateral (
               select jsonb_object_agg(was.key, was.value) as before, jsonb_object_agg(was.key, now.value) as after
                 from jsonb_each(to_jsonb(o) - hidden) was
                 join jsonb_each(to_jsonb(n) - hidden) now on now.key = was.key and now.value <> was.value) changed
         where changed.before is not null;
    else
        insert into audit_log (table_name, record_id, action, old_values, performed_by, ip_address)
        select tg_table_name, o.id, 'delete', to_jsonb(o) - hidden, actor, address
          from old_rows o;
    end if;
    return null;
end $$;
comment on function audit_changes() is 'Writes audit_log for a whole statement at once. Actor and address: settings mediaanalysis.actor and .address, or .authors by record.';

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
    raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;
comment on function refuse_change() is 'Raises: what is written stays.';

create trigger append_only before update or delete or truncate on audit_log
    for each statement execute function refuse_change();
comment on trigger append_only on audit_log is 'What is written stays.';
