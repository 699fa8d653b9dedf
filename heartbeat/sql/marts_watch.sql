-- name: look
select activity.pid, activity.state, activity.wait_event, copying.bytes_processed
  from pg_catalog.pg_stat_activity as activity
  left join pg_catalog.pg_stat_progress_copy as copying on copying.pid = activity.pid
 where activity.datname = pg_catalog.current_database()
