-- name: registered
select cut_id from heartbeat.audit_cut_registry

-- name: register
insert into heartbeat.audit_cut_registry as registered
    (cut_id, page, title, prose, windows, window_default, reads, methodology, how_to_read)
values (
    %(cut_id)s, %(page)s, %(title)s, %(prose)s, %(windows)s, %(window_default)s,
    %(reads)s, %(methodology)s, %(how_to_read)s
)
on conflict (cut_id) do update set
    page = excluded.page,
    title = excluded.title,
    prose = excluded.prose,
    windows = excluded.windows,
    window_default = excluded.window_default,
    reads = excluded.reads,
    methodology = excluded.methodology,
    how_to_read = excluded.how_to_read
where (
    registered.page, registered.title, registered.prose, registered.windows,
    registered.window_default, registered.reads, registered.methodology, registered.how_to_read
) is distinct from (
    excluded.page, excluded.title, excluded.prose, excluded.windows,
    excluded.window_default, excluded.reads, excluded.methodology, excluded.how_to_read
)
returning cut_id

-- name: unregister
delete from heartbeat.audit_cut_registry
 where cut_id <> all (%(kept)s)
returning cut_id

-- name: store
insert into heartbeat.audit_cut_snapshot
    (cut_id, window_key, payload, spec, svg, computed_at, source_as_of, error, run_id)
values (
    %(cut_id)s, %(window_key)s, %(payload)s, %(spec)s, %(svg)s, now(), %(source_as_of)s, null,
    %(run_id)s
)
on conflict (cut_id, window_key) do update set
    payload = excluded.payload,
    spec = excluded.spec,
    svg = excluded.svg,
    computed_at = excluded.computed_at,
    source_as_of = excluded.source_as_of,
    error = null,
    run_id = excluded.run_id

-- name: store_error
insert into heartbeat.audit_cut_snapshot (cut_id, window_key, error, run_id)
values (%(cut_id)s, %(window_key)s, %(error)s, %(run_id)s)
on conflict (cut_id, window_key) do update set
    error = excluded.error,
    run_id = excluded.run_id
