-- name: beat
insert into heartbeat.display as known (name, page, build, last_good_poll, first_seen, last_seen, claim)
select %(name)s, %(page)s, %(build)s, %(last_good_poll)s, %(seen_at)s, %(seen_at)s, %(claim)s
 where exists (select from heartbeat.display as known where known.name = %(name)s)
    or (select count(*) from heartbeat.display) < %(most)s
on conflict (name) do update set
    page = excluded.page,
    build = excluded.build,
    last_good_poll = excluded.last_good_poll,
    last_seen = excluded.last_seen,
    claim = excluded.claim
where excluded.last_seen > known.last_seen
  and (known.claim is null
       or known.claim = excluded.claim
       or known.last_seen < excluded.last_seen - %(dark_after)s::interval)

-- name: make_room
-- who has left after a visit, once the table is full of them
delete from heartbeat.display
 where (select count(*) from heartbeat.display) >= %(most)s
   and last_seen - first_seen < %(a_screen_after)s::interval
   and last_seen < now() - %(dark_after)s::interval

-- name: screens
select name from heartbeat.display where last_seen - first_seen >= %(a_screen_after)s::interval

-- name: displays
select name, page, build, last_good_poll, first_seen, last_seen,
       case when last_seen < %(now)s::timestamptz - %(dark_after)s::interval then last_seen end as dark_since
  from heartbeat.display
 where last_seen >= %(now)s::timestamptz - %(dark_after)s::interval
    or last_seen - first_seen >= %(a_screen_after)s::interval
 order by name

-- name: forget
delete from heartbeat.display where last_seen < %(before)s
