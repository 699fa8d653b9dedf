-- name: known_days
select d from heartbeat.client_segment_day where d >= %(since)s

-- name: one_at_a_time
lock table heartbeat.client_segment_day in share row exclusive mode

-- name: forget_day
delete from heartbeat.client_segment_day where d = %(d)s

-- name: add_day
insert into heartbeat.client_segment_day (d, as_of, computed_at, source_as_of, run_id)
values (%(d)s, %(as_of)s, now(), %(source_as_of)s, %(run_id)s)

-- name: add_clients
insert into heartbeat.client_segment (d, client_id, segment)
select %(d)s, client_id, segment
  from unnest(%(clients)s::text[], %(segments)s::text[]) as found (client_id, segment)

-- name: failed
insert into heartbeat.client_segment_failure as last (failed_at, error, run_id)
values (%(failed_at)s, %(error)s, %(run_id)s)
on conflict ((true)) do update set
    failed_at = excluded.failed_at,
    error = excluded.error,
    run_id = excluded.run_id

-- name: succeeded
delete from heartbeat.client_segment_failure

-- name: failure
select error from heartbeat.client_segment_failure
