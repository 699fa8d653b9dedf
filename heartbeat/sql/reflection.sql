-- name: tables
-- Ordinary and partitioned tables; partitions, views and foreign tables are not tables of their own.
select
    n.nspname as schema_name,
    c.relname as name,
    coalesce(
        (
            select array_agg(a.attname::text order by key.position)
            from pg_catalog.pg_index i
            cross join lateral unnest(i.indkey) with ordinality as key (attnum, position)
            join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = key.attnum
            where i.indrelid = c.oid and i.indisprimary
        ),
        array[]::text[]
    ) as primary_key,
    -- what the last vacuum or analyze counted, because asking for the size waits for locks
    (
        select sum(
            case
                when part.reltuples < 0 then pg_catalog.pg_table_size(part.oid)
                else part.relpages * current_setting('block_size')::bigint
            end
        )::bigint
        from pg_catalog.pg_class part
        where part.oid = c.oid or part.oid in (select relid from pg_catalog.pg_partition_tree(c.oid))
    ) as bytes
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname = any (%(schemas)s)
  and c.relkind in ('r', 'p')
  and not c.relispartition
order by n.nspname, c.relname

-- name: size
-- Bytes and the number of rows as last counted, -1 when they never were.
select
    sum(pg_catalog.pg_table_size(part.oid))::bigint as bytes,
    case when bool_or(part.reltuples < 0) then -1 else sum(part.reltuples)::bigint end as rows
from pg_catalog.pg_class part
where part.oid = %(table)s::regclass and part.relkind = 'r'
   or part.oid in (select relid from pg_catalog.pg_partition_tree(%(table)s::regclass) where isleaf)

-- name: columns
-- A domain lands as the type below it, an enum as text, any other type that is not built in as text,
-- and so does a name of an object of the source (regclass and its kin), which marts does not have,
-- xml, which many servers are built without, and what has no binary form. An amount of the type
-- money means another number in each locale, so it lands as the number that it means in the source.
with recursive base (type_id, base_id, base_modifier, depth) as (
    select t.oid, t.oid, -1, 0 from pg_catalog.pg_type t
    union all
    select b.type_id, t.typbasetype, t.typtypmod, b.depth + 1
    from base b
    join pg_catalog.pg_type t on t.oid = b.base_id
    where t.typtype = 'd'
),
resolved as (
    select distinct on (type_id) type_id, base_id, base_modifier
    from base
    order by type_id, depth desc
),
landed as (
    select
        r.type_id,
        case
            when t.typcategory = 'A' and t.typelem <> 0 then r_element.base_id
            else r.base_id
        end as plain_id,
        greatest(r.base_modifier, r_element.base_modifier) as base_modifier,
        t.typcategory = 'A' and t.typelem <> 0 as is_array
    from resolved r
    join pg_catalog.pg_type t on t.oid = r.base_id
    left join resolved r_element on r_element.type_id = t.typelem
)
select
    n.nspname as schema_name,
    c.relname as table_name,
    a.attname as name,
    pg_catalog.format_type(a.atttypid, a.atttypmod) as source_type,
    case
        when plain.typnamespace <> 'pg_catalog'::regnamespace then 'text'
        when plain.typname like 'reg%%' then 'text'
        when plain.typname = 'xml' or plain.typsend = 0 then 'text'
        when plain.typname = 'money' then 'numeric'
        else pg_catalog.format_type(plain.oid, greatest(l.base_modifier, a.atttypmod))
    end || case when l.is_array then '[]' else '' end as landed_type,
    not a.attnotnull as nullable
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join landed l on l.type_id = a.atttypid
join pg_catalog.pg_type plain on plain.oid = l.plain_id
where n.nspname = any (%(schemas)s)
  and c.relkind in ('r', 'p')
  and not c.relispartition
order by n.nspname, c.relname, a.attnum
