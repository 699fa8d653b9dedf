-- name: tables
-- The tables of a landed schema with their columns, plain indexes, and what the ledger says of them.
select
    c.relname as table_name,
    pg_catalog.pg_relation_filenode(c.oid) as file_node,
    pg_catalog.pg_stat_get_mod_since_analyze(c.oid) as modified_rows,
    (
        select jsonb_object_agg(
            a.attname,
            jsonb_build_object(
                'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
                'comment', pg_catalog.col_description(c.oid, a.attnum)
            )
        )
        from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    ) as columns,
    (
        select jsonb_object_agg(i.name, jsonb_build_object('columns', i.columns, 'unique', i.indisunique))
        from (
            select
                index_class.relname as name,
                index.indisunique,
                array_agg(a.attname::text order by key.position) as columns
            from pg_catalog.pg_index index
            join pg_catalog.pg_class index_class on index_class.oid = index.indexrelid
            cross join lateral unnest(index.indkey) with ordinality as key (attnum, position)
            join pg_catalog.pg_attribute a on a.attrelid = index.indrelid and a.attnum = key.attnum
            where index.indrelid = c.oid
              and index.indexprs is null
              and index.indpred is null
              and index.indisvalid
              -- the columns of INCLUDE follow those of the key
              and key.position <= index.indnkeyatts
            group by index_class.relname, index.indisunique
        ) as i
    ) as indexes,
    to_jsonb(load) as load
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
left join heartbeat.table_load load on load.schema_name = n.nspname and load.table_name = c.relname
where n.nspname = %(schema_name)s and c.relkind = 'r'
