-- name: hold
-- Who asks holds this until the run is there, so that two who ask at once see each other's.
select pg_advisory_xact_lock(hashtext('heartbeat.refresh'))

-- name: landed
select schema_name || '.' || table_name as name, bool_or(error is not null) as failed
  from heartbeat.table_load_log
 where run_id = %(run_id)s
 group by 1

-- name: computed
select metric_id as name, bool_or(error is not null) as failed
  from heartbeat.metric_observation
 where run_id = %(run_id)s
 group by 1
