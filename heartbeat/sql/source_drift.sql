-- name: read
select schema_name, table_name, column_name, kind, change, message, since
from heartbeat.source_drift
where schema_name || '.' || table_name = any (%(tables)s)
order by since, schema_name, table_name, column_name

-- name: all
select schema_name, table_name, column_name, kind, change, message, since
from heartbeat.source_drift
where kind <> 'unlanded'
order by since, schema_name, table_name, column_name

-- name: ended
delete from heartbeat.source_drift
where schema_name = %(schema_name)s and table_name = %(table_name)s and column_name <> all (%(columns)s)

-- name: found
insert into heartbeat.source_drift as known
    (schema_name, table_name, column_name, kind, change, message, since)
values (%(schema_name)s, %(table_name)s, %(column_name)s, %(kind)s, %(change)s, %(message)s, %(since)s)
on conflict (schema_name, table_name, column_name) do update set
    kind = excluded.kind,
    change = excluded.change,
    message = excluded.message,
    since = excluded.since
where known.change <> excluded.change

-- name: unlanded
select load.schema_name, load.table_name
from heartbeat.table_load as load
where load.dropped_at is not null
  and load.polled_at is not null
  and to_regclass(quote_ident(load.schema_name) || '.' || quote_ident(load.table_name)) is not null
  and not exists (
      select
      from heartbeat.source_drift as known
      where known.schema_name = load.schema_name and known.table_name = load.table_name and known.column_name = ''
  )

-- name: dropped
delete from heartbeat.source_drift
where to_regclass(quote_ident(schema_name) || '.' || quote_ident(table_name)) is null
