-- name: transaction
select held.virtualtransaction
  from pg_catalog.pg_locks as held
 where held.pid = %(pid)s and held.locktype = 'virtualxid' and held.mode = 'ExclusiveLock'

-- name: touched
select n.nspname, c.relname
  from pg_catalog.pg_locks as l
  join pg_catalog.pg_class as c on c.oid = l.relation
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
 where l.pid = %(pid)s
   and l.mode = 'AccessShareLock'
   and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
   and c.relkind in ('r', 'p', 'm')
   and n.nspname not in ('pg_catalog', 'information_schema')
