-- name: cuts
select cut.cut_id, cut.page, cut.title, cut.prose, cut.windows, cut.window_default, cut.reads,
       array(
           select metric.metric_id
             from heartbeat.metric_registry as metric
            where cut.cut_id = any (metric.cuts) or metric.metric_id = any (cut.metrics)
            order by metric.code
       ) as metrics,
       cut.methodology, cut.how_to_read, cut.owner,
       case
           when cut.verification_state = 'verified' and cut.verified_hash = cut.definition_hash then 'verified'
           else 'unverified'
       end as verification_state,
       cut.verification_state = 'verified' and cut.verified_hash is distinct from cut.definition_hash as lapsed
  from heartbeat.audit_cut_registry as cut
 order by cut.page <> 'overview', cut.page, cut.place, cut.cut_id

-- name: snapshots
-- A later picture has asked the database itself, which knows better than the words of the code.
select snapshot.cut_id, snapshot.window_key, snapshot.payload, snapshot.svg, snapshot.computed_at,
       snapshot.source_as_of, coalesce(drift.message, snapshot.error) as error
  from heartbeat.audit_cut_snapshot as snapshot
  left join heartbeat.audit_cut_registry as cut using (cut_id)
  left join lateral (
        select drift.message
          from heartbeat.source_drift as drift
         where drift.schema_name || '.' || drift.table_name = any (cut.reads)
           and (drift.column_name = '' or array[drift.column_name, '*'] && cut.words)
           and (snapshot.computed_at is null or snapshot.computed_at < drift.since)
         order by drift.since
         limit 1
       ) as drift on true
 where snapshot.cut_id = any (%(cut_ids)s) and snapshot.window_key = any (%(windows)s)

-- name: spec
select spec
  from heartbeat.audit_cut_snapshot
 where cut_id = %(cut_id)s and window_key = %(window)s

-- name: picture
select svg, png, payload, computed_at
  from heartbeat.audit_cut_snapshot
 where cut_id = %(cut_id)s and window_key = %(window)s and svg is not null

-- name: runtime
select version, javascript from heartbeat.chart_runtime

-- name: undrawn
select exists (
    select
      from heartbeat.audit_cut_registry as cut
     cross join unnest(cut.windows) as planned (window_key)
      left join heartbeat.audit_cut_snapshot as snapshot
        on snapshot.cut_id = cut.cut_id and snapshot.window_key = planned.window_key
     where snapshot.computed_at is null or snapshot.computed_at < now() - %(age)s
)
