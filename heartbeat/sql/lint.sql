-- name: large_tables
-- Tables larger than the limit, with the first columns of their indexes.
select
    n.nspname as schema_name,
    c.relname as table_name,
    pg_catalog.pg_table_size(c.oid) as bytes,
    greatest(c.reltuples, 0)::double precision as row_count,
    coalesce(
        (
            select array_agg(distinct a.attname::text)
            from pg_catalog.pg_index i
            join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
            where i.indrelid = c.oid and i.indisvalid and i.indpred is null
        ),
        array[]::text[]
    ) as indexed
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r'
  and n.nspname = any (%(schemas)s)
  and pg_catalog.pg_table_size(c.oid) > %(limit)s
