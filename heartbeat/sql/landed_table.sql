-- name: column_types
select a.attname as name, pg_catalog.format_type(a.atttypid, a.atttypmod) as landed_type
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where n.nspname = %(schema_name)s
  and c.relname = %(table_name)s
order by a.attnum

-- name: indexes
-- Indexes on plain columns and all rows.
select
    array_agg(a.attname::text order by key.position) as columns,
    i.indisunique as is_unique
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
cross join lateral unnest(i.indkey) with ordinality as key (attnum, position)
join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = key.attnum
where n.nspname = %(schema_name)s
  and c.relname = %(table_name)s
  and i.indexprs is null
  and i.indpred is null
group by i.indexrelid, i.indisunique
