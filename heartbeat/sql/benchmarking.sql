-- name: metrics
select metric_id, benchmark_days, season
from heartbeat.metric_registry
where kind = 'rolling_stat'

-- name: values
-- The last value of a day whose later compute failed is not the value of the day.
select history.metric_id, history.d, history.v
from heartbeat.metric_history as history
join heartbeat.metric_registry as registry using (metric_id)
where registry.kind = 'rolling_stat'
  and history.d < %(today)s
  and history.d >= %(today)s::date - registry.benchmark_days
  and history.v is not null
  and history.error is null

-- name: store
update heartbeat.metric_registry set
    benchmark_mean = %(mean)s,
    benchmark_stddev = %(stddev)s,
    benchmark_n = %(n)s,
    benchmark_weekday_means = %(weekday_means)s,
    benchmark_at = %(at)s
where metric_id = %(metric_id)s
