-- name: take
-- Held by the session: as long as the guard of the daemon lives, and no longer.
select pg_try_advisory_lock(4830, 1)

-- name: holder
select a.application_name,
       coalesce(host(a.client_addr), 'this machine') as address,
       to_char(a.backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') as since
from pg_catalog.pg_locks l
join pg_catalog.pg_stat_activity a on a.pid = l.pid
where l.locktype = 'advisory' and l.granted
  and (l.classid, l.objid, l.objsubid) = (4830, 1, 2)
  and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
