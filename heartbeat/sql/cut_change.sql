-- name: current
select cut_id, owner,
       case
           when verification_state = 'verified' and verified_hash is distinct from definition_hash
               then 'verified, lapsed'
           else verification_state
       end as verification_state
  from heartbeat.audit_cut_registry
 where cut_id = %(cut_id)s
   for update

-- name: update
update heartbeat.audit_cut_registry
   set owner = %(owner)s,
       verification_state = replace(%(verification_state)s, ', lapsed', ''),
       verified_hash = case
           when %(verification_state)s = 'verified' then definition_hash
           when %(verification_state)s = 'verified, lapsed' then verified_hash
       end
 where cut_id = %(cut_id)s

-- name: log
insert into heartbeat.change_log (actor, subject, field, old_value, new_value, reason)
values (%(actor)s, %(subject)s, %(field)s, %(old_value)s, %(new_value)s, %(reason)s)
