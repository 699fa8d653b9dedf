-- name: states
-- What TRUNCATE, a rewriting ALTER, a rename, another table of the name, a column or a part that comes or goes all change.
-- Read from the catalog as any rows are, and so as of the snapshot of whoever asks.
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
state (root, id, text) as (
    select
        p.root,
        p.id,
        concat_ws(
            ' ',
            c.oid,
            c.relfilenode,
            c.relnamespace,
            c.relname,
            (
                select string_agg(
                    concat_ws(':', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attisdropped, a.attmissingval::text),
                    ',' order by a.attnum
                )
                from pg_catalog.pg_attribute a
                where a.attrelid = c.oid and a.attnum > 0
            )
        )
    from part p
    join pg_catalog.pg_class c on c.oid = p.id
)
select n.nspname, c.relname, md5(string_agg(state.text, ' ' order by state.id))
from state
join pg_catalog.pg_class c on c.oid = state.root
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
group by n.nspname, c.relname
