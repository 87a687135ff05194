drop view ops.spend;
drop table provider_calls;
