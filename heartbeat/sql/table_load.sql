-- name: landed
insert into heartbeat.table_load (schema_name, table_name, polled_at, changed_at, row_count, write_mode, error, run_id)
values (%(schema_name)s, %(table_name)s, %(polled_at)s, %(polled_at)s, %(row_count)s, %(write_mode)s, null, %(run_id)s)
on conflict (schema_name, table_name) do update set
    polled_at = excluded.polled_at,
    changed_at = case
        when %(changed)s then excluded.polled_at
        else heartbeat.table_load.changed_at
    end,
    row_count = excluded.row_count,
    write_mode = excluded.write_mode,
    error = null,
    run_id = excluded.run_id

-- name: failed
insert into heartbeat.table_load (schema_name, table_name, write_mode, error, run_id)
values (%(schema_name)s, %(table_name)s, %(write_mode)s, %(error)s, %(run_id)s)
on conflict (schema_name, table_name) do update set
    error = excluded.error,
    run_id = excluded.run_id

-- name: log
insert into heartbeat.table_load_log
    (schema_name, table_name, started_at, finished_at, polled_at, rows_sent, bytes_sent, write_mode, error, run_id)
values (
    %(schema_name)s, %(table_name)s, %(started_at)s, now(), %(polled_at)s,
    %(rows_sent)s, %(bytes_sent)s, %(write_mode)s, %(error)s, %(run_id)s
)
