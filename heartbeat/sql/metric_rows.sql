-- name: metrics
-- Definitions are long, and only their difference is told.
select registry.metric_id, registry.code, registry.name, registry.short_name, registry.unit, registry.period,
       registry.direction, registry.kind, registry.norm_value, registry.alert_value, registry.target_value,
       registry.target_due_date, registry.verification_state, registry.owner, registry.reads,
       registry.cuts || array(
           select cut.cut_id
             from heartbeat.audit_cut_registry as cut
            where registry.metric_id = any (cut.metrics) and cut.cut_id <> all (registry.cuts)
            order by cut.cut_id
       ) as cuts,
       registry.amber_z, registry.red_z, registry.registered_at,
       registry.benchmark_mean, registry.benchmark_stddev, registry.benchmark_n, registry.benchmark_weekday_means,
       registry.definition_hash, registry.definition_changed_at,
       case when signature.definition_hash <> registry.definition_hash then registry.definition end as definition,
       last_good.v as last_good, last_good.d as last_good_day, last_good.severity_step,
       last_good.computed_at, last_good.source_as_of,
       case when drift.since is null then last_day.error else drift.message end as error,
       drift.since as drifted_since,
       signature.signed_at, signature.signed_by,
       case when signature.definition_hash <> registry.definition_hash then signature.definition end
           as signed_definition,
       signature.definition_hash as signed_hash
  from heartbeat.metric_registry as registry
  left join lateral (
        select v, d, severity_step, computed_at, source_as_of
          from heartbeat.metric_history as history
         where history.metric_id = registry.metric_id and history.v is not null
         order by d desc
         limit 1
       ) as last_good on true
  left join lateral (
        select error, as_of
          from heartbeat.metric_history as history
         where history.metric_id = registry.metric_id
         order by d desc
         limit 1
       ) as last_day on true
  left join heartbeat.metric_backfill as backfill on backfill.metric_id = registry.metric_id
  left join lateral (
        select drift.message, drift.since
          from heartbeat.source_drift as drift
         where drift.schema_name || '.' || drift.table_name = any (registry.reads)
           and (
               drift.column_name = ''
               or registry.definition -> 'tables' -> (drift.schema_name || '.' || drift.table_name) ? drift.column_name
           )
           -- a later compute has asked the database itself, which knows better than the words of the statement;
           -- of the history one that has computed the past days as well
           and (
               last_day.as_of is null or last_day.as_of < drift.since
               or (
                   coalesce(backfill.as_of, '-infinity') < drift.since
                   and registry.definition ->> 'history' ~ ('\m' || regexp_replace(drift.column_name, '\W', '.', 'g') || '\M')
               )
           )
         order by drift.since
         limit 1
       ) as drift on true
  left join lateral (
        select signed_at, signed_by, definition, definition_hash
          from heartbeat.metric_signature as signature
         where signature.metric_id = registry.metric_id
         order by id desc
         limit 1
       ) as signature on true

-- name: sparklines
-- One row a metric: a row a day costs the reader three times the time.
select history.metric_id, array_agg(history.d order by history.d), array_agg(history.v order by history.d)
  from heartbeat.metric_history as history
  join heartbeat.metric_registry as registry using (metric_id)
 where history.d > %(today)s::date - 90 and history.d <= %(today)s::date and history.v is not null
 group by history.metric_id

-- name: restatements
select history.metric_id, history.d, history.v, history.closing_v as before, history.restated_at as at
  from heartbeat.metric_history as history
  join heartbeat.metric_registry as registry using (metric_id)
 where history.d > %(today)s::date - 90 and history.restated_at is not null
 order by history.metric_id, history.d desc

-- name: day_states
select metric_id, d, status
  from (select metric_id, d, status,
               lag(status) over (partition by metric_id order by d) as status_before
          from heartbeat.metric_history
         where status is not null) as day
 where status is distinct from status_before
 order by metric_id, d

-- name: observed_states
select metric_id, computed_at, status, failed
  from (select metric_id, computed_at, status, error is not null as failed,
               lag(status) over compute as status_before,
               lag(error is not null) over compute as failed_before
          from heartbeat.metric_observation
         where computed_at > %(now)s::timestamptz - interval '14 days'
        window compute as (partition by metric_id order by computed_at)) as observation
 where status is distinct from status_before or failed is distinct from failed_before
 order by metric_id, computed_at

-- name: prose
select metric_id, description, how_to_read, methodology, notes
  from heartbeat.metric_registry

-- name: days
select d, v
  from heartbeat.metric_history
 where metric_id = %(metric_id)s and v is not null
 order by d

-- name: observations
select as_of, computed_at, v, status, error, seconds, run_id
  from heartbeat.metric_observation
 where metric_id = %(metric_id)s
 order by id desc
 limit %(number)s

-- name: last_compute
-- Of half of the metrics or more: one that somebody computes by hand is no sign that refreshes come.
select percentile_disc(0.5) within group (order by last.computed_at)
  from heartbeat.metric_registry as registry
  cross join lateral (
        select computed_at
          from heartbeat.metric_observation as observation
         where observation.metric_id = registry.metric_id
         order by computed_at desc
         limit 1
       ) as last

-- name: polls
select schema_name || '.' || table_name, polled_at
  from heartbeat.table_load
