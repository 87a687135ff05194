-- What an operator types first: psql shows a view's comment only among all of them, and a function's in a line too wide.
-- depends: 0006_ops 0008_claims

create view ops.help as
select name, about from (
    select 1 as part, 'select * from ops.' || view.relname as name, obj_description(view.oid, 'pg_class') as about
      from pg_class view
     where view.relnamespace = 'ops'::regnamespace and view.relkind = 'v' and view.relname <> 'help'
    union all
    select 2, 'select ops.' || function.proname || '(' || array_to_string(function.proargnames, ', ') || ')',
           obj_description(function.oid, 'pg_proc')
      from pg_proc function
     where function.pronamespace = 'ops'::regnamespace and function.proname <> all
           (array['typical_seconds', 'place', 'held_by', 'next_free', 'ordinal', 'scope_of'])
) every
order by part, name;
comment on view ops.help is 'What there is to look at and to do; all of it is safe while workers run.';
