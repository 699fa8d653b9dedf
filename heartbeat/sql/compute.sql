-- name: lines
select metric_id, unit, direction, kind, norm_value, alert_value, target_value, amber_z, red_z,
       benchmark_mean, benchmark_stddev, benchmark_n, benchmark_weekday_means
from heartbeat.metric_registry
where metric_id = any (%(metric_ids)s)

-- name: backfills_due
-- Past days that no compute of this business day, by this definition, has looked at.
select registry.metric_id
from heartbeat.metric_registry as registry
left join heartbeat.metric_backfill as backfill
    on backfill.metric_id = registry.metric_id
    and backfill.definition_hash is not distinct from registry.definition_hash
where registry.metric_id = any (%(metric_ids)s)
  and (backfill.as_of is null or backfill.as_of < %(day_begins)s)

-- name: backfilled
insert into heartbeat.metric_backfill as kept (metric_id, definition_hash, as_of, run_id)
select metric_id, definition_hash, %(as_of)s, %(run_id)s
from heartbeat.metric_registry
where metric_id = %(metric_id)s
on conflict (metric_id) do update set
    definition_hash = excluded.definition_hash,
    as_of = excluded.as_of,
    run_id = excluded.run_id
where kept.as_of <= excluded.as_of

-- name: observe
-- A compute that is repeated under its own run and moment was observed already.
insert into heartbeat.metric_observation
    (metric_id, as_of, computed_at, v, source_as_of, status, error, seconds, run_id)
values (
    %(metric_id)s, %(as_of)s, %(computed_at)s, %(v)s, %(source_as_of)s, %(status)s, %(error)s,
    %(seconds)s, %(run_id)s
)
on conflict (run_id, metric_id, as_of) do nothing

-- name: last_severity_step
select severity_step
from heartbeat.metric_history
where metric_id = %(metric_id)s and severity_step is not null
order by d desc
limit 1

-- name: today
-- A compute without a value keeps the last good one; an older compute keeps all of a newer one.
insert into heartbeat.metric_history as kept
    (metric_id, d, v, as_of, computed_at, source_as_of, status, severity_step, error, run_id)
values (
    %(metric_id)s, %(d)s, %(v)s, %(as_of)s, %(computed_at)s, %(source_as_of)s, %(status)s,
    %(severity_step)s, %(error)s, %(run_id)s
)
on conflict (metric_id, d) do update set
    v = coalesce(excluded.v, kept.v),
    as_of = excluded.as_of,
    computed_at = case when excluded.v is null then kept.computed_at else excluded.computed_at end,
    source_as_of = case when excluded.v is null then kept.source_as_of else excluded.source_as_of end,
    status = coalesce(excluded.status, kept.status),
    severity_step = coalesce(excluded.severity_step, kept.severity_step),
    error = excluded.error,
    run_id = excluded.run_id
where kept.as_of is null or kept.as_of <= excluded.as_of

-- name: past_days
-- A past day is written again only where the history statement sees it differently now.
insert into heartbeat.metric_history as kept
    (metric_id, d, v, as_of, computed_at, source_as_of, status, error, run_id, closing_v)
select
    %(metric_id)s, day.d, day.v, %(as_of)s, %(computed_at)s, %(source_as_of)s, day.status, null, %(run_id)s, day.v
from unnest(%(days)s::date[], %(values)s::numeric[], %(statuses)s::text[]) as day (d, v, status)
on conflict (metric_id, d) do update set
    v = excluded.v,
    as_of = excluded.as_of,
    computed_at = excluded.computed_at,
    source_as_of = excluded.source_as_of,
    status = excluded.status,
    error = null,
    run_id = excluded.run_id,
    closing_v = coalesce(kept.closing_v, excluded.closing_v),
    restated_at = case when kept.closing_v is null then null else excluded.computed_at end
where (kept.v is distinct from excluded.v or kept.closing_v is null)
  and (kept.as_of is null or kept.as_of <= excluded.as_of)
