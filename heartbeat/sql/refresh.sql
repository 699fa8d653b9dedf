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

-- name: failures
select schema_name || '.' || table_name as name, error
  from heartbeat.table_load_log
 where run_id = %(run_id)s and error is not null
 union
select metric_id, error
  from heartbeat.metric_observation
 where run_id = %(run_id)s and error is not null
 order by error, name

-- name: drawn
select cut.cut_id || ' ' || planned.window_key as name,
       case when snapshot.run_id is not null then snapshot.error is not null end as failed
  from heartbeat.audit_cut_registry as cut
 cross join unnest(cut.windows) as planned (window_key)
  left join heartbeat.audit_cut_snapshot as snapshot
    on snapshot.cut_id = cut.cut_id and snapshot.window_key = planned.window_key and snapshot.run_id = %(run_id)s
 where %(cut_ids)s::text[] is null or cut.cut_id = any (%(cut_ids)s)
