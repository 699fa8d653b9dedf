-- name: registered
select * from heartbeat.metric_registry order by metric_id

-- name: insert
insert into heartbeat.metric_registry (
    metric_id, code, name, short_name, period, unit, direction, kind, amber_z, red_z, reads, cuts,
    description, how_to_read, methodology, notes,
    norm_value, alert_value, target_value, target_due_date, owner
)
values (
    %(metric_id)s, %(code)s, %(name)s, %(short_name)s, %(period)s, %(unit)s, %(direction)s, %(kind)s,
    %(amber_z)s, %(red_z)s, %(reads)s, %(cuts)s,
    %(description)s, %(how_to_read)s, %(methodology)s, %(notes)s,
    %(norm_value)s, %(alert_value)s, %(target_value)s, %(target_due_date)s, %(owner)s
)

-- name: update
update heartbeat.metric_registry set
    code = %(code)s, name = %(name)s, short_name = %(short_name)s, period = %(period)s, unit = %(unit)s,
    direction = %(direction)s, kind = %(kind)s, amber_z = %(amber_z)s, red_z = %(red_z)s,
    reads = %(reads)s, cuts = %(cuts)s, description = %(description)s, how_to_read = %(how_to_read)s,
    methodology = %(methodology)s, notes = %(notes)s
where metric_id = %(metric_id)s

-- name: delete
delete from heartbeat.metric_registry where metric_id = %(metric_id)s
