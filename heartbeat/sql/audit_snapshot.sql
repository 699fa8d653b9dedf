-- name: registered
select cut_id from heartbeat.audit_cut_registry

-- name: register
insert into heartbeat.audit_cut_registry as registered
    (cut_id, page, place, title, prose, windows, window_default, reads, metrics, methodology, how_to_read,
     definition_hash, words)
values (
    %(cut_id)s, %(page)s, %(place)s, %(title)s, %(prose)s, %(windows)s, %(window_default)s,
    %(reads)s, %(metrics)s, %(methodology)s, %(how_to_read)s,
    %(definition_hash)s, %(words)s
)
on conflict (cut_id) do update set
    page = excluded.page,
    place = excluded.place,
    title = excluded.title,
    prose = excluded.prose,
    windows = excluded.windows,
    window_default = excluded.window_default,
    reads = excluded.reads,
    metrics = excluded.metrics,
    methodology = excluded.methodology,
    how_to_read = excluded.how_to_read,
    definition_hash = excluded.definition_hash,
    words = excluded.words
where (
    registered.page, registered.place, registered.title, registered.prose, registered.windows,
    registered.window_default, registered.reads, registered.metrics, registered.methodology,
    registered.how_to_read, registered.definition_hash, registered.words
) is distinct from (
    excluded.page, excluded.place, excluded.title, excluded.prose, excluded.windows,
    excluded.window_default, excluded.reads, excluded.metrics, excluded.methodology,
    excluded.how_to_read, excluded.definition_hash, excluded.words
)
returning cut_id

-- name: unregister
delete from heartbeat.audit_cut_registry
 where cut_id <> all (%(kept)s)
returning cut_id

-- name: store
insert into heartbeat.audit_cut_snapshot
    (cut_id, window_key, payload, spec, svg, png, empty_reads, computed_at, source_as_of, error, run_id)
values (
    %(cut_id)s, %(window_key)s, %(payload)s, %(spec)s, %(svg)s, %(png)s, %(empty_reads)s, now(), %(source_as_of)s, null,
    %(run_id)s
)
on conflict (cut_id, window_key) do update set
    payload = excluded.payload,
    spec = excluded.spec,
    svg = excluded.svg,
    png = excluded.png,
    empty_reads = excluded.empty_reads,
    computed_at = excluded.computed_at,
    source_as_of = excluded.source_as_of,
    error = null,
    run_id = excluded.run_id

-- name: last_good
select empty_reads
  from heartbeat.audit_cut_snapshot
 where cut_id = %(cut_id)s and window_key = %(window_key)s and svg is not null

-- name: store_error
insert into heartbeat.audit_cut_snapshot (cut_id, window_key, error, run_id)
values (%(cut_id)s, %(window_key)s, %(error)s, %(run_id)s)
on conflict (cut_id, window_key) do update set
    error = excluded.error,
    run_id = excluded.run_id

-- name: runtime_version
select version from heartbeat.chart_runtime

-- name: forget_runtime
delete from heartbeat.chart_runtime where version <> %(version)s

-- name: store_runtime
insert into heartbeat.chart_runtime (version, javascript) values (%(version)s, %(javascript)s)
on conflict (version) do nothing
