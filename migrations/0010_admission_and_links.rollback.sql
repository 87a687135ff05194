drop table link_secrets;
drop function find_unfinished(uuid, text);
drop function admit(jsonb);
drop type admission;
drop function take_tokens(uuid, text, bigint, bigint, bigint);
drop type grant_of_tokens;
drop table rate_buckets;
