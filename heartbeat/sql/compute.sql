-- name: lines
select unit, direction, kind, norm_value, alert_value, target_value, amber_z, red_z,
       benchmark_mean, benchmark_stddev, benchmark_n
from heartbeat.metric_registry
where metric_id = %(metric_id)s

-- name: observe
insert into heartbeat.metric_observation
    (metric_id, as_of, computed_at, v, source_as_of, status, error, seconds, run_id)
values (
    %(metric_id)s, %(as_of)s, %(computed_at)s, %(v)s, %(source_as_of)s, %(status)s, %(error)s,
    %(seconds)s, %(run_id)s
)

-- name: today_computed
insert into heartbeat.metric_history
    (metric_id, d, v, computed_at, source_as_of, status, error, run_id)
values (%(metric_id)s, %(d)s, %(v)s, %(computed_at)s, %(source_as_of)s, %(status)s, null, %(run_id)s)
on conflict (metric_id, d) do update set
    v = excluded.v,
    computed_at = excluded.computed_at,
    source_as_of = excluded.source_as_of,
    status = excluded.status,
    error = null,
    run_id = excluded.run_id

-- name: today_failed
insert into heartbeat.metric_history (metric_id, d, error, run_id)
values (%(metric_id)s, %(d)s, %(error)s, %(run_id)s)
on conflict (metric_id, d) do update set
    error = excluded.error,
    run_id = excluded.run_id

-- name: past_day
-- A past day is rewritten only where the history statement sees it differently now.
insert into heartbeat.metric_history as kept
    (metric_id, d, v, computed_at, source_as_of, status, error, run_id)
values (%(metric_id)s, %(d)s, %(v)s, %(computed_at)s, %(source_as_of)s, %(status)s, null, %(run_id)s)
on conflict (metric_id, d) do update set
    v = excluded.v,
    computed_at = excluded.computed_at,
    source_as_of = excluded.source_as_of,
    status = excluded.status,
    error = null,
    run_id = excluded.run_id
where kept.v is distinct from excluded.v
