-- name: read
select schema_name, table_name, column_name, kind, change, message, since, accepted
from heartbeat.source_drift
where schema_name || '.' || table_name = any (%(tables)s)
order by since, schema_name, table_name, column_name

-- name: all
select schema_name, table_name, column_name, kind, change, message, since, accepted
from heartbeat.source_drift
where kind <> 'unlanded' and not accepted
order by since, schema_name, table_name, column_name

-- name: ended
delete from heartbeat.source_drift
where schema_name = %(schema_name)s and table_name = %(table_name)s and column_name <> all (%(columns)s)

-- name: found
insert into heartbeat.source_drift as known
    (schema_name, table_name, column_name, kind, change, message, since, accepted)
values (%(schema_name)s, %(table_name)s, %(column_name)s, %(kind)s, %(change)s, %(message)s, %(since)s, %(accepted)s)
on conflict (schema_name, table_name, column_name) do update set
    kind = excluded.kind,
    change = excluded.change,
    message = excluded.message,
    since = excluded.since,
    accepted = excluded.accepted
where (known.kind, known.change, known.accepted) is distinct from (excluded.kind, excluded.change, excluded.accepted)

-- name: still_readable
-- Of what has drifted, what the readers may read all the same, by a grant to all or to another role of theirs.
select distinct drift.message
from heartbeat.source_drift as drift
join pg_catalog.pg_namespace as n on n.nspname = drift.schema_name
join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = drift.table_name
left join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attname = drift.column_name and a.attnum > 0
where drift.schema_name || '.' || drift.table_name = any (%(tables)s)
  and case
      when drift.column_name = '' then has_any_column_privilege('heartbeat_reader', c.oid, 'select')
      else has_column_privilege('heartbeat_reader', c.oid, a.attnum, 'select')
  end

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
