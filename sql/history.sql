-- History: pages of an owner's analyses.
--
-- A page reads the head of each (status, media type) it asks for from the index of its order, and merges them: at most
-- 25 short scans, whatever the filter, the plan mode or the number of rows. `page` is the whole question:
--   statuses, media_types   which to show, all of them where the client filters by none
--   date_from, date_to      created_at from (inclusive) to (exclusive); -infinity and infinity where open
--   value, at, id           show only what comes after this place of the order (a cursor); before all where there is none
--   skip, count             of those, leave out so many and show so many
-- `is true` keeps the dates out of the choice of the index: a generic plan takes any range for a narrow one, and would
-- read a whole (status, media type) by its dates to sort it.

-- name: page_created_descending
-- Sorted by created_at, latest first.
-- $1 owner_id uuid, $2 page jsonb
select found.id
from jsonb_to_record($2) as page (
    statuses media_analysis_status[], media_types media_type_enum[], date_from timestamptz, date_to timestamptz,
    at timestamptz, id uuid, skip integer, count integer)
cross join unnest(page.statuses) as wanted (status)
cross join unnest(page.media_types) as kind (media_type)
cross join lateral (
    select a.id, a.created_at as key
    from media_analysis_requests a
    where a.owner_id = $1 and a.status = wanted.status and a.media_type = kind.media_type
      and a.created_at >= page.date_from and a.created_at < page.date_to
      and (a.created_at, a.id) < (page.at, page.id)
    order by a.created_at desc, a.id desc
    limit page.skip + page.count
) found
order by found.key desc, found.id desc
offset ($2 ->> 'skip')::integer
limit ($2 ->> 'count')::integer;

-- name: page_created_ascending
-- Sorted by created_at, earliest first.
-- $1 owner_id uuid, $2 page jsonb
select found.id
from jsonb_to_record($2) as page (
    statuses media_analysis_status[], media_types media_type_enum[], date_from timestamptz, date_to timestamptz,
    at timestamptz, id uuid, skip integer, count integer)
cross join unnest(page.statuses) as wanted (status)
cross join unnest(page.media_types) as kind (media_type)
cross join lateral (
    select a.id, a.created_at as key
    from media_analysis_requests a
    where a.owner_id = $1 and a.status = wanted.status and a.media_type = kind.media_type
      and a.created_at >= page.date_from and a.created_at < page.date_to
      and (a.created_at, a.id) > (page.at, page.id)
    order by a.created_at, a.id
    limit page.skip + page.count
) found
order by found.key, found.id
offset ($2 ->> 'skip')::integer
limit ($2 ->> 'count')::integer;

-- name: page_completed_descending
-- Sorted by completed_at, latest first.
-- $1 owner_id uuid, $2 page jsonb
select found.id
from jsonb_to_record($2) as page (
    statuses media_analysis_status[], media_types media_type_enum[], date_from timestamptz, date_to timestamptz,
    at timestamptz, id uuid, skip integer, count integer)
cross join unnest(page.statuses) as wanted (status)
cross join unnest(page.media_types) as kind (media_type)
cross join lateral (
    select a.id, coalesce(a.completed_at, '-infinity') as key
    from media_analysis_requests a
    where a.owner_id = $1 and a.status = wanted.status and a.media_type = kind.media_type
      and (a.created_at >= page.date_from and a.created_at < page.date_to) is true
      and (coalesce(a.completed_at, '-infinity'), a.id) < (page.at, page.id)
    order by coalesce(a.completed_at, '-infinity') desc, a.id desc
    limit page.skip + page.count
) found
order by found.key desc, found.id desc
offset ($2 ->> 'skip')::integer
limit ($2 ->> 'count')::integer;

-- name: page_completed_ascending
-- Sorted by completed_at, earliest first.
-- $1 owner_id uuid, $2 page jsonb
select found.id
from jsonb_to_record($2) as page (
    statuses media_analysis_status[], media_types media_type_enum[], date_from timestamptz, date_to timestamptz,
    at timestamptz, id uuid, skip integer, count integer)
cross join unnest(page.statuses) as wanted (status)
cross join unnest(page.media_types) as kind (media_type)
cross join lateral (
    select a.id, coalesce(a.completed_at, '-infinity') as key
    from media_analysis_requests a
    where a.owner_id = $1 and a.status = wanted.status and a.media_type = kind.media_type
      and (a.created_at >= page.date_from and a.created_at < page.date_to) is true
      and (coalesce(a.completed_at, '-infinity'), a.id) > (page.at, page.id)
    order by coalesce(a.completed_at, '-infinity'), a.id
    limit page.skip + page.count
) found
order by found.key, found.id
offset ($2 ->> 'skip')::integer
limit ($2 ->> 'count')::integer;

-- name: page_updated_descending
-- Sorted by updated_at, latest first.
-- $1 owner_id uuid, $2 page jsonb
select found.id
from jsonb_to_record($2) as page (
    statuses media_analysis_status[], media_types media_type_enum[], date_from timestamptz, date_to timestamptz,
    at timestamptz, id uuid, skip integer, count integer)
cross join unnest(page.statuses) as wanted (status)
cross join unnest(page.media_types) as kind (media_type)
cross join lateral (
    select a.id, a.updated_at as key
    from media_analysis_requests a
    where a.owner_id = $1 and a.status = wanted.status and a.media_type = kind.media_type
      and (a.created_at >= page.date_from and a.created_at < page.date_to) is true
      and (a.updated_at, a.id) < (page.at, page.id)
    order by a.updated_at desc, a.id desc
    limit page.skip + page.count
) found
order by found.key desc, found.id desc
offset ($2 ->> 'skip')::integer
limit ($2 ->> 'count')::integer;

-- name: page_updated_ascending
-- Sorted by updated_at, earliest first.
-- $1 owner_id uuid, $2 page jsonb
select found.id
from jsonb_to_record($2) as page (
    statuses media_analysis_status[], media_types media_type_enum[], date_from timestamptz, date_to timestamptz,
    at timestamptz, id uuid, skip integer, count integer)
cross join unnest(page.statuses) as wanted (status)
cross join unnest(page.media_types) as kind (media_type)
cross join lateral (
    select a.id, a.updated_at as key
    from media_analysis_requests a
    where a.owner_id = $1 and a.status = wanted.status and a.media_type = kind.media_type
      and (a.created_at >= page.date_from and a.created_at < page.date_to) is true
      and (a.updated_at, a.id) > (page.at, page.id)
    order by a.updated_at, a.id
    limit page.skip + page.count
) found
order by found.key, found.id
offset ($2 ->> 'skip')::integer
limit ($2 ->> 'count')::integer;

-- name: page_priority_descending
-- Sorted by priority, highest first.
-- $1 owner_id uuid, $2 page jsonb
select found.id
from jsonb_to_record($2) as page (
    statuses media_analysis_status[], media_types media_type_enum[], date_from timestamptz, date_to timestamptz,
    value integer, at timestamptz, id uuid, skip integer, count integer)
cross join unnest(page.statuses) as wanted (status)
cross join unnest(page.media_types) as kind (media_type)
cross join lateral (
    select a.id, a.priority, a.created_at
    from media_analysis_requests a
    where a.owner_id = $1 and a.status = wanted.status and a.media_type = kind.media_type
      and (a.created_at >= page.date_from and a.created_at < page.date_to) is true
      and (a.priority, a.created_at, a.id) < (page.value, page.at, page.id)
    order by a.priority desc, a.created_at desc, a.id desc
    limit page.skip + page.count
) found
order by found.priority desc, found.created_at desc, found.id desc
offset ($2 ->> 'skip')::integer
limit ($2 ->> 'count')::integer;

-- name: page_priority_ascending
-- Sorted by priority, lowest first.
-- $1 owner_id uuid, $2 page jsonb
select found.id
from jsonb_to_record($2) as page (
    statuses media_analysis_status[], media_types media_type_enum[], date_from timestamptz, date_to timestamptz,
    value integer, at timestamptz, id uuid, skip integer, count integer)
cross join unnest(page.statuses) as wanted (status)
cross join unnest(page.media_types) as kind (media_type)
cross join lateral (
    select a.id, a.priority, a.created_at
    from media_analysis_requests a
    where a.owner_id = $1 and a.status = wanted.status and a.media_type = kind.media_type
      and (a.created_at >= page.date_from and a.created_at < page.date_to) is true
      and (a.priority, a.created_at, a.id) > (page.value, page.at, page.id)
    order by a.priority, a.created_at, a.id
    limit page.skip + page.count
) found
order by found.priority, found.created_at, found.id
offset ($2 ->> 'skip')::integer
limit ($2 ->> 'count')::integer;

-- name: page_status_descending
-- Sorted by status in the order of its type, reversed, then by created_at.
-- $1 owner_id uuid, $2 page jsonb
select found.id
from jsonb_to_record($2) as page (
    statuses media_analysis_status[], media_types media_type_enum[], date_from timestamptz, date_to timestamptz,
    value media_analysis_status, at timestamptz, id uuid, skip integer, count integer)
cross join unnest(page.statuses) as wanted (status)
cross join unnest(page.media_types) as kind (media_type)
-- Within the group of the cursor what comes after it, of the groups beyond it everything.
cross join lateral (select case when wanted.status = page.value then page.at else 'infinity' end as at) place
cross join lateral (
    select a.id, a.created_at
    from media_analysis_requests a
    where a.owner_id = $1 and a.status = wanted.status and a.media_type = kind.media_type
      and a.created_at >= page.date_from and a.created_at < page.date_to
      and (a.created_at, a.id) < (place.at, page.id)
    order by a.created_at desc, a.id desc
    limit page.skip + page.count
) found
where wanted.status <= page.value
order by wanted.status desc, found.created_at desc, found.id desc
offset ($2 ->> 'skip')::integer
limit ($2 ->> 'count')::integer;

-- name: page_status_ascending
-- Sorted by status in the order of its type, then by created_at.
-- $1 owner_id uuid, $2 page jsonb
select found.id
from jsonb_to_record($2) as page (
    statuses media_analysis_status[], media_types media_type_enum[], date_from timestamptz, date_to timestamptz,
    value media_analysis_status, at timestamptz, id uuid, skip integer, count integer)
cross join unnest(page.statuses) as wanted (status)
cross join unnest(page.media_types) as kind (media_type)
-- Within the group of the cursor what comes after it, of the groups beyond it everything.
cross join lateral (select case when wanted.status = page.value then page.at else '-infinity' end as at) place
cross join lateral (
    select a.id, a.created_at
    from media_analysis_requests a
    where a.owner_id = $1 and a.status = wanted.status and a.media_type = kind.media_type
      and a.created_at >= page.date_from and a.created_at < page.date_to
      and (a.created_at, a.id) > (place.at, page.id)
    order by a.created_at, a.id
    limit page.skip + page.count
) found
where wanted.status >= page.value
order by wanted.status, found.created_at, found.id
offset ($2 ->> 'skip')::integer
limit ($2 ->> 'count')::integer;

-- name: page_media_type_descending
-- Sorted by media_type in the order of its type, reversed, then by created_at.
-- $1 owner_id uuid, $2 page jsonb
select found.id
from jsonb_to_record($2) as page (
    statuses media_analysis_status[], media_types media_type_enum[], date_from timestamptz, date_to timestamptz,
    value media_type_enum, at timestamptz, id uuid, skip integer, count integer)
cross join unnest(page.statuses) as wanted (status)
cross join unnest(page.media_types) as kind (media_type)
-- Within the group of the cursor what comes after it, of the groups beyond it everything.
cross join lateral (select case when kind.media_type = page.value then page.at else 'infinity' end as at) place
cross join lateral (
    select a.id, a.created_at
    from media_analysis_requests a
    where a.owner_id = $1 and a.status = wanted.status and a.media_type = kind.media_type
      and a.created_at >= page.date_from and a.created_at < page.date_to
      and (a.created_at, a.id) < (place.at, page.id)
    order by a.created_at desc, a.id desc
    limit page.skip + page.count
) found
where kind.media_type <= page.value
order by kind.media_type desc, found.created_at desc, found.id desc
offset ($2 ->> 'skip')::integer
limit ($2 ->> 'count')::integer;

-- name: page_media_type_ascending
-- Sorted by media_type in the order of its type, then by created_at.
-- $1 owner_id uuid, $2 page jsonb
select found.id
from jsonb_to_record($2) as page (
    statuses media_analysis_status[], media_types media_type_enum[], date_from timestamptz, date_to timestamptz,
    value media_type_enum, at timestamptz, id uuid, skip integer, count integer)
cross join unnest(page.statuses) as wanted (status)
cross join unnest(page.media_types) as kind (media_type)
-- Within the group of the cursor what comes after it, of the groups beyond it everything.
cross join lateral (select case when kind.media_type = page.value then page.at else '-infinity' end as at) place
cross join lateral (
    select a.id, a.created_at
    from media_analysis_requests a
    where a.owner_id = $1 and a.status = wanted.status and a.media_type = kind.media_type
      and a.created_at >= page.date_from and a.created_at < page.date_to
      and (a.created_at, a.id) > (place.at, page.id)
    order by a.created_at, a.id
    limit page.skip + page.count
) found
where kind.media_type >= page.value
order by kind.media_type, found.created_at, found.id
offset ($2 ->> 'skip')::integer
limit ($2 ->> 'count')::integer;

-- name: read_rows
-- The analyses of a page, in the order of their ids in it.
-- $1 ids uuid[]
select analysis.id, correlation_id, status, progress, stage, media_type, priority, media_url, original_filename, prompt,
       result_summary, error_code, error_message, retry_count, created_at, updated_at, started_at, completed_at
from unnest($1::uuid[]) with ordinality as wanted (id, position)
join media_analysis_requests analysis on analysis.id = wanted.id
order by wanted.position;

-- name: count_bounded
-- How many there are, counted no further than `bound`.
-- $1 owner_id uuid, $2 page jsonb, $3 bound bigint
select count(*) from (
    select
    from jsonb_to_record($2) as page (
        statuses media_analysis_status[], media_types media_type_enum[], date_from timestamptz, date_to timestamptz)
    cross join unnest(page.statuses) as wanted (status)
    cross join unnest(page.media_types) as kind (media_type)
    cross join lateral (
        select
        from media_analysis_requests a
        where a.owner_id = $1 and a.status = wanted.status and a.media_type = kind.media_type
          and a.created_at >= page.date_from and a.created_at < page.date_to
        limit $3
    ) found
    limit $3
) bounded;

-- name: estimate
-- The planner's own guess at how many there are, out of its statistics: a plan, of which nothing is run. Media types are
-- null for all of them: the planner adds up the shares of a list, and mistrusts a sum of one.
-- $1 owner_id uuid, $2 statuses media_analysis_status[], $3 media_types media_type_enum[], $4 page jsonb
explain (format json)
select from media_analysis_requests
where owner_id = $1
  and status = any($2) and ($3::media_type_enum[] is null or media_type = any($3))
  and created_at >= ($4::jsonb ->> 'date_from')::timestamptz and created_at < ($4::jsonb ->> 'date_to')::timestamptz;
