-- name: schemas
-- The landed schemas that are there, and whether the role may look into them.
select nspname as name, pg_catalog.has_schema_privilege(oid, 'usage') as is_open, current_user as role
from pg_catalog.pg_namespace
where nspname = any (%(schemas)s)

-- name: relations
-- All that holds rows, but partitions. Nothing here waits for a lock, so one locked table keeps no
-- other from being read: sizes are as the last vacuum or analyze counted them, null where none did.
with recursive below (ancestor, part) as (
    select i.inhparent, i.inhrelid
    from pg_catalog.pg_inherits i
    join pg_catalog.pg_class c on c.oid = i.inhparent and c.relkind in ('r', 'p')
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname = any (%(schemas)s)
    union
    select b.ancestor, i.inhrelid
    from below b
    join pg_catalog.pg_inherits i on i.inhparent = b.part
),
sizes (relation, is_below, bytes) as (
    select
        part.relation,
        part.is_below,
        case
            when bool_or(c.relkind = 'r' and c.reltuples < 0) then null
            else coalesce(sum(c.relpages) filter (where c.relkind = 'r'), 0)
                * current_setting('block_size')::bigint
        end::bigint
    from (
        select c.oid as relation, false as is_below, c.oid as part
        from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname = any (%(schemas)s)
        union all
        select ancestor, true, part from below
    ) as part
    join pg_catalog.pg_class c on c.oid = part.part
    group by part.relation, part.is_below
)
select
    n.nspname as schema_name,
    c.relname as name,
    c.relkind::text as kind,
    current_user as role,
    array(
        select a.attname::text
        from pg_catalog.pg_index i
        cross join lateral unnest(i.indkey) with ordinality as key (attnum, position)
        join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = key.attnum
        -- the columns of INCLUDE follow those of the key
        where i.indrelid = c.oid and i.indisprimary and key.position <= i.indnkeyatts
        order by key.position
    ) as primary_key,
    array(
        select a.attname::text
        from pg_catalog.pg_attribute a
        where a.attrelid = c.oid
          and a.attnum > 0
          and not a.attisdropped
          and not pg_catalog.has_column_privilege(c.oid, a.attnum, 'select')
    ) as unreadable,
    pg_catalog.has_any_column_privilege(c.oid, 'select') as may_read_some,
    c.relrowsecurity and pg_catalog.row_security_active(c.oid) as hides_rows,
    own.bytes,
    case when parts.relation is null then 0 else parts.bytes end as bytes_below
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join sizes own on own.relation = c.oid and not own.is_below
left join sizes parts on parts.relation = c.oid and parts.is_below
where n.nspname = any (%(schemas)s)
  and c.relkind in ('r', 'p', 'v', 'm', 'f')
  and not c.relispartition
order by n.nspname, c.relname

-- name: descendants
-- The tables below a table by plain inheritance, and parts of either kind in another server.
with recursive below (ancestor, part, is_child) as (
    select i.inhparent, i.inhrelid, true
    from pg_catalog.pg_inherits i
    join pg_catalog.pg_class c on c.oid = i.inhparent and c.relkind in ('r', 'p') and not c.relispartition
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname = any (%(schemas)s)
    union
    select b.ancestor, i.inhrelid, false
    from below b
    join pg_catalog.pg_inherits i on i.inhparent = b.part
)
select
    above_schema.nspname as ancestor_schema,
    above.relname as ancestor,
    part_schema.nspname as schema_name,
    part.relname as name,
    bool_or(b.is_child) as is_child,
    part.relkind = 'f' as is_foreign
from below b
join pg_catalog.pg_class above on above.oid = b.ancestor
join pg_catalog.pg_namespace above_schema on above_schema.oid = above.relnamespace
join pg_catalog.pg_class part on part.oid = b.part
join pg_catalog.pg_namespace part_schema on part_schema.oid = part.relnamespace
where part.relpersistence <> 't' and (above.relkind = 'r' or part.relkind = 'f')
group by above_schema.nspname, above.relname, part_schema.nspname, part.relname, part.relkind
order by 1, 2, 3, 4

-- name: parts
select n.nspname, c.relname
from unnest(%(schemas)s::text[], %(names)s::text[]) as named (schema_name, name)
join pg_catalog.pg_namespace n on n.nspname = named.schema_name
join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = named.name and c.relispartition

-- name: size
-- Bytes, and the number of rows as last counted, -1 when they never were; waits for locks where not.
with recursive part (id) as (
    select %(table)s::regclass::oid
    union
    select i.inhrelid from part p join pg_catalog.pg_inherits i on i.inhparent = p.id
    where %(with_children)s
)
select
    coalesce(sum(pg_catalog.pg_table_size(c.oid)) filter (where c.reltuples < 0), 0)::bigint
        + coalesce(sum(c.relpages) filter (where c.reltuples >= 0), 0)
            * current_setting('block_size')::bigint as bytes,
    case when bool_or(c.reltuples < 0) then -1 else sum(c.reltuples)::bigint end as rows
from part p
join pg_catalog.pg_class c on c.oid = p.id
where c.relkind = 'r'

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
    not a.attnotnull as nullable,
    array(
        select e.enumlabel::text
        from pg_catalog.pg_enum e
        where e.enumtypid in (l.plain_id, plain.typelem)
        order by e.enumsortorder
    ) as labels
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join landed l on l.type_id = a.atttypid
join pg_catalog.pg_type plain on plain.oid = l.plain_id
where n.nspname = any (%(schemas)s)
  and c.relkind in ('r', 'p')
  and not c.relispartition
order by n.nspname, c.relname, a.attnum
