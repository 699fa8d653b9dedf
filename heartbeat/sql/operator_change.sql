-- name: current
select metric_id, direction, verification_state, owner, norm_value, alert_value, target_value, target_due_date,
       definition, definition_hash,
       (
           select signature.definition_hash
           from heartbeat.metric_signature as signature
           where signature.metric_id = registry.metric_id
           order by signature.id desc
           limit 1
       ) as signed_hash
from heartbeat.metric_registry as registry
where metric_id = %(metric_id)s
for update

-- name: update
update heartbeat.metric_registry set {assignments} where metric_id = %(metric_id)s

-- name: log
insert into heartbeat.change_log (actor, subject, field, old_value, new_value, reason)
values (%(actor)s, %(subject)s, %(field)s, %(old_value)s, %(new_value)s, %(reason)s)

-- name: sign
insert into heartbeat.metric_signature (metric_id, signed_by, definition, definition_hash)
values (%(metric_id)s, %(actor)s, %(definition)s, %(definition_hash)s)

-- name: changes
select at, actor, field, old_value, new_value, reason
from heartbeat.change_log
where subject = %(subject)s
order by id desc
limit %(number)s
