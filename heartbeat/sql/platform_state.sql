-- name: as_of
select set_config('heartbeat.as_of', %(as_of)s, true)

-- name: polled
select heartbeat.source_as_of(%(reads)s)

-- name: refreshed_at
select refreshed_at from heartbeat.platform_refresh

-- name: see_queue
insert into heartbeat.run_queue as known (queued, oldest_queued_at, seen_at)
values (%(queued)s, %(oldest_queued_at)s, %(seen_at)s)
on conflict (only_row) do update set
    queued = excluded.queued,
    oldest_queued_at = excluded.oldest_queued_at,
    seen_at = excluded.seen_at
where excluded.seen_at > known.seen_at

-- name: see_disk
insert into heartbeat.disk_space as known (machine, free_bytes, size_bytes, seen_at)
values (%(machine)s, %(free_bytes)s, %(size_bytes)s, %(seen_at)s)
on conflict (machine) do update set
    free_bytes = excluded.free_bytes,
    size_bytes = excluded.size_bytes,
    seen_at = excluded.seen_at
where excluded.seen_at > known.seen_at

-- name: take_disk
insert into heartbeat.refresh_disk as known
    (run_id, machine, began_at, ended_at, free_before, free_lowest, free_after, database_before, database_after)
values (
    %(run_id)s, %(machine)s, %(began_at)s, %(ended_at)s, %(free_before)s, %(free_lowest)s, %(free_after)s,
    %(database_before)s, %(database_after)s
)
on conflict (run_id, machine) do update set
    ended_at = excluded.ended_at,
    free_lowest = least(known.free_lowest, excluded.free_lowest),
    free_after = excluded.free_after,
    database_after = excluded.database_after

-- name: forget_disk
delete from heartbeat.refresh_disk where ended_at < %(before)s

-- name: database_size
select pg_database_size(current_database())

-- name: disks
-- The disk with the least room for one more refresh first.
select machine, free_bytes, size_bytes, refresh_bytes, seen_at
  from heartbeat.platform_disk
 order by free_bytes - coalesce(refresh_bytes, 0), machine

-- name: stale_tables
select count(*) filter (where polled_at is null or polled_at < %(before)s)
  from heartbeat.platform_table
