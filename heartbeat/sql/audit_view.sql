-- name: cuts
select cut_id, page, title, prose, windows, window_default, reads, methodology, how_to_read, owner, verification_state
  from heartbeat.audit_cut_registry
 order by page <> 'overview', page, registered_at, cut_id

-- name: snapshots
select cut_id, window_key, payload, spec, computed_at, source_as_of, error, svg is not null as drawn
  from heartbeat.audit_cut_snapshot
 where cut_id = any(%(cut_ids)s)

-- name: drawing
select svg
  from heartbeat.audit_cut_snapshot
 where cut_id = %(cut_id)s and window_key = %(window)s
