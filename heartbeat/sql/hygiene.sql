-- name: observations
delete from heartbeat.metric_observation where computed_at < %(before)s

-- name: table_loads
delete from heartbeat.table_load_log where finished_at < %(before)s

-- name: load_tables
select format('%%I._dlt_loads', schemaname) as table_name
  from pg_tables
 where tablename = '_dlt_loads' and schemaname = any(%(schemas)s)
