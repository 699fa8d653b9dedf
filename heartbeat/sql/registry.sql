-- name: registered
select * from heartbeat.metric_registry order by metric_id

-- name: columns
select n.nspname as schema_name, c.relname as table_name, a.attname as column_name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) as type_name
from unnest(%(schemas)s::text[], %(tables)s::text[]) as read (schema_name, table_name)
join pg_catalog.pg_namespace n on n.nspname = read.schema_name
join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = read.table_name
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped

-- name: insert
insert into heartbeat.metric_registry (
    metric_id, code, name, short_name, period, unit, direction, kind, amber_z, red_z,
    benchmark_days, season, reads, cuts, description, how_to_read, methodology, notes,
    norm_value, alert_value, target_value, target_due_date, owner,
    definition, definition_hash, definition_changed_at
)
values (
    %(metric_id)s, %(code)s, %(name)s, %(short_name)s, %(period)s, %(unit)s, %(direction)s, %(kind)s,
    %(amber_z)s, %(red_z)s, %(benchmark_days)s, %(season)s, %(reads)s, %(cuts)s,
    %(description)s, %(how_to_read)s, %(methodology)s, %(notes)s,
    %(norm_value)s, %(alert_value)s, %(target_value)s, %(target_due_date)s, %(owner)s,
    %(definition)s, %(definition_hash)s, now()
)

-- name: update
update heartbeat.metric_registry set
    code = %(code)s, name = %(name)s, short_name = %(short_name)s, period = %(period)s, unit = %(unit)s,
    direction = %(direction)s, kind = %(kind)s, amber_z = %(amber_z)s, red_z = %(red_z)s,
    benchmark_days = %(benchmark_days)s, season = %(season)s,
    reads = %(reads)s, cuts = %(cuts)s, description = %(description)s, how_to_read = %(how_to_read)s,
    methodology = %(methodology)s, notes = %(notes)s,
    definition = %(definition)s, definition_hash = %(definition_hash)s,
    definition_changed_at = case
        when definition_hash is distinct from %(definition_hash)s then now()
        else definition_changed_at
    end
where metric_id = %(metric_id)s

-- name: delete
delete from heartbeat.metric_registry where metric_id = %(metric_id)s
