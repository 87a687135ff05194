-- link_secrets: what signs links to files.

-- name: read
-- The secret in force.
select secret from link_secrets order by id desc limit 1;

-- name: make_first
-- A secret, where there is none yet.
insert into link_secrets (secret)
select gen_random_uuid()::text || gen_random_uuid()::text where not exists (select from link_secrets);
