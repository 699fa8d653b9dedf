-- name: beat
insert into heartbeat.display as known (name, page, build, last_good_poll, first_seen, last_seen)
values (%(name)s, %(page)s, %(build)s, %(last_good_poll)s, %(seen_at)s, %(seen_at)s)
on conflict (name) do update set
    page = excluded.page,
    build = excluded.build,
    last_good_poll = excluded.last_good_poll,
    last_seen = excluded.last_seen
where excluded.last_seen > known.last_seen

-- name: displays
select name, page, build, last_good_poll, first_seen, last_seen,
       case when last_seen < %(now)s::timestamptz - %(dark_after)s::interval then last_seen end as dark_since
  from heartbeat.display
 where last_seen >= %(now)s::timestamptz - %(dark_after)s::interval
    or last_seen - first_seen >= %(a_screen_after)s::interval
 order by name

-- name: forget
delete from heartbeat.display where last_seen < %(before)s
