-- name: transaction
select held.virtualtransaction
  from pg_catalog.pg_locks as held
 where held.pid = %(pid)s and held.locktype = 'virtualxid' and held.mode = 'ExclusiveLock'

-- name: end
select pg_catalog.pg_terminate_backend(pid)
  from pg_catalog.pg_stat_activity
 where pid = %(pid)s and usename = %(login)s
