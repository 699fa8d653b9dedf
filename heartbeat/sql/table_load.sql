-- name: landed
insert into heartbeat.table_load (
    schema_name, table_name, polled_at, changed_at, row_count, write_mode, error, run_id,
    rows_sent, bytes_sent, seconds, columns, digest, source_state
)
values (
    %(schema_name)s, %(table_name)s, %(polled_at)s, %(polled_at)s, %(row_count)s, %(write_mode)s, null, %(run_id)s,
    %(rows_sent)s, %(bytes_sent)s, %(seconds)s, %(columns)s, %(digest)s,
    %(source_state)s
)
on conflict (schema_name, table_name) do update set
    polled_at = excluded.polled_at,
    changed_at = case
        when %(changed)s then excluded.polled_at
        else heartbeat.table_load.changed_at
    end,
    row_count = excluded.row_count,
    write_mode = excluded.write_mode,
    error = null,
    run_id = excluded.run_id,
    rows_sent = excluded.rows_sent,
    bytes_sent = excluded.bytes_sent,
    seconds = excluded.seconds,
    columns = excluded.columns,
    digest = excluded.digest,
    source_state = excluded.source_state,
    resume_after = null,
    resume_since = null

-- name: failed
insert into heartbeat.table_load (schema_name, table_name, write_mode, error, run_id)
values (%(schema_name)s, %(table_name)s, %(write_mode)s, %(error)s, %(run_id)s)
on conflict (schema_name, table_name) do update set
    error = excluded.error,
    run_id = excluded.run_id

-- name: range
insert into heartbeat.table_load (
    schema_name, table_name, write_mode, run_id, columns, resume_after, resume_since, source_state
)
values (
    %(schema_name)s, %(table_name)s, %(write_mode)s, %(run_id)s, %(columns)s, %(after)s, %(since)s, %(source_state)s
)
on conflict (schema_name, table_name) do update set
    -- a part is of no moment
    polled_at = null,
    digest = null,
    run_id = excluded.run_id,
    columns = excluded.columns,
    resume_after = excluded.resume_after,
    resume_since = excluded.resume_since,
    source_state = excluded.source_state

-- name: missing
-- Of tables that are not in marts any more; whatever lands next begins from nothing.
update heartbeat.table_load
   set polled_at = null, digest = null, resume_after = null, resume_since = null
  from unnest(%(schemas)s::text[], %(tables)s::text[]) as missing (landed_schema, landed_table)
 where schema_name = missing.landed_schema and table_name = missing.landed_table
   and (polled_at is not null or resume_after is not null)

-- name: log
insert into heartbeat.table_load_log (
    schema_name, table_name, started_at, finished_at, polled_at,
    rows_sent, bytes_sent, seconds, write_mode, error, run_id
)
values (
    %(schema_name)s, %(table_name)s, %(started_at)s, now(), %(polled_at)s,
    %(rows_sent)s, %(bytes_sent)s, %(seconds)s, %(write_mode)s, %(error)s, %(run_id)s
)

-- name: ended
update heartbeat.table_load
   set ended_at = now(), under_way = false
 where schema_name = %(schema_name)s and table_name = %(table_name)s

-- name: costs
-- Of tables that every load reads as a whole.
select
    schema_name || '.' || table_name as "table",
    write_mode as write,
    coalesce(rows_sent, 0) as rows,
    coalesce(bytes_sent, 0) as bytes,
    coalesce(seconds, 0) as seconds
from heartbeat.table_load
where write_mode in ('replace', 'reconcile') and polled_at is not null
order by seconds desc, bytes desc, schema_name, table_name

-- name: never_landed
-- Tables that a landing has begun and none has ended well, of those named and of those that the
-- session of the reader has locked, as it locks what is behind a view.
select load.schema_name, load.table_name
from heartbeat.table_load as load
where load.polled_at is null
  and (
      load.schema_name || '.' || load.table_name = any (%(tables)s)
      or (load.schema_name, load.table_name) in (
          select n.nspname, c.relname
          from pg_catalog.pg_locks as lock
          join pg_catalog.pg_class as c on c.oid = lock.relation
          join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
          where lock.pid in (pg_backend_pid(), %(reader)s) and lock.mode = 'AccessShareLock'
      )
  )
order by load.schema_name, load.table_name
