-- name: take_turns
select pg_advisory_xact_lock(hashtext('heartbeat databases'))

-- name: unsaid
-- Those of the settings that this server knows and that are not yet said for us in the database.
select known.name, current_setting(known.name) as value
from pg_catalog.pg_settings known
where known.name = any (%(settings)s)
  and not exists (
    select
    from pg_catalog.pg_db_role_setting said
    join pg_catalog.pg_database d on d.oid = said.setdatabase
    where d.datname = %(database)s
      and said.setrole = to_regrole(%(role)s)
      and known.name || '=' || current_setting(known.name) = any (said.setconfig)
  )
