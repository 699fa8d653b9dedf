-- name: watchlists
select watched.watchlist, watched.metric_id
  from heartbeat.watchlist_metric as watched
  join heartbeat.metric_registry as registry using (metric_id)

-- name: watch
insert into heartbeat.watchlist_metric (watchlist, metric_id)
values (%(watchlist)s, %(metric_id)s)
on conflict do nothing

-- name: unwatch
delete from heartbeat.watchlist_metric
 where watchlist = %(watchlist)s and metric_id = %(metric_id)s

-- name: log
insert into heartbeat.change_log (actor, subject, field, old_value, new_value)
values (
    %(actor)s, %(metric_id)s, 'watchlist',
    case when not %(on)s then %(watchlist)s end,
    case when %(on)s then %(watchlist)s end
)
