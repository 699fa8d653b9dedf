-- name: states
-- What a table and its columns are: TRUNCATE, a rewriting ALTER, another table of the name, a part that comes or goes
-- change the one; a column that another took the name of, another type, label or expression changes the other.
-- Read from the catalog as any rows are, and so as of the snapshot of whoever asks; nothing here waits for a lock.
with recursive part (root, id) as (
    select c.oid, c.oid
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join unnest(%(schemas)s::text[], %(tables)s::text[]) as asked (schema_name, table_name)
        on asked.schema_name = n.nspname and asked.table_name = c.relname
    union
    select p.root, i.inhrelid
    from part p
    join pg_catalog.pg_inherits i on i.inhparent = p.id
),
field as (
    select p.root, p.id, a.attnum, a.attname, a.atttypid, a.atttypmod
    from part p
    join pg_catalog.pg_attribute a on a.attrelid = p.id and a.attnum > 0 and not a.attisdropped
),
-- the types that the values of a type consist of
component (type_id, id) as (
    select distinct atttypid, atttypid from field
    union
    select c.type_id, below.id
    from component c
    join pg_catalog.pg_type t on t.oid = c.id
    cross join lateral (
        select t.typelem
        union all
        select t.typbasetype
        union all
        select a.atttypid
        from pg_catalog.pg_attribute a
        where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
        union all
        select r.rngsubtype from pg_catalog.pg_range r where r.rngtypid = t.oid
    ) as below (id)
    where below.id <> 0
),
labelled (type_id, labels) as (
    select c.type_id, string_agg(e.oid || ' ' || e.enumlabel, ',' order by e.oid)
    from component c
    join pg_catalog.pg_enum e on e.enumtypid = c.id
    group by c.type_id
),
column_state (root, name, state) as (
    select
        f.root,
        f.attname,
        md5(
            string_agg(
                concat_ws(' ', f.id, f.attnum, f.atttypid, f.atttypmod, generated.adbin::text, labelled.labels),
                ';' order by f.id
            )
        )
    from field f
    left join labelled on labelled.type_id = f.atttypid
    left join lateral (
        select d.adbin
        from pg_catalog.pg_attrdef d
        join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
        where d.adrelid = f.id
          and d.adnum = f.attnum
          -- not every server in use knows generated columns, and a plain default says nothing of the rows
          and to_jsonb(a) ->> 'attgenerated' <> ''
    ) as generated on true
    group by f.root, f.attname
)
select
    n.nspname,
    c.relname,
    (
        select md5(string_agg(concat_ws(' ', part_class.oid, part_class.relfilenode), ';' order by part_class.oid))
        from part p
        join pg_catalog.pg_class part_class on part_class.oid = p.id
        where p.root = c.oid
    ) as rows,
    coalesce(
        (select jsonb_object_agg(s.name, s.state) from column_state s where s.root = c.oid),
        '{}'
    ) as columns
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.oid in (select root from part where root = id)

-- name: held
-- Of the tables those that this session has locked with all their parts.
with recursive part (root, id) as (
    select c.oid, c.oid
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join unnest(%(schemas)s::text[], %(tables)s::text[]) as asked (schema_name, table_name)
        on asked.schema_name = n.nspname and asked.table_name = c.relname
    union
    select p.root, i.inhrelid
    from part p
    join pg_catalog.pg_inherits i on i.inhparent = p.id
)
select n.nspname, c.relname
from part p
join pg_catalog.pg_class c on c.oid = p.root
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
group by n.nspname, c.relname
having bool_and(
    p.id in (
        select l.relation
        from pg_catalog.pg_locks l
        where l.locktype = 'relation' and l.pid = pg_backend_pid() and l.granted
    )
)
