-- name: holders
-- Who holds a lock on a table, or on a partition of it, the oldest transaction first.
-- The functions that know the partitions of a table would wait for the same lock.
with recursive part (oid) as (
    select to_regclass(%(table)s)::oid
    union
    select i.inhrelid from pg_catalog.pg_inherits i join part p on p.oid = i.inhparent
)
select distinct l.pid, coalesce(nullif(a.application_name, ''), a.usename::text) as application, a.xact_start as since
from pg_catalog.pg_locks l
left join pg_catalog.pg_stat_activity a on a.pid = l.pid
where l.locktype = 'relation'
  and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
  and l.relation in (select oid from part)
  and l.granted
  and l.pid is distinct from pg_backend_pid()
order by since, l.pid

-- name: holders_of_schema
-- Who holds a lock on a table of schema heartbeat, the oldest transaction first.
select distinct l.pid, coalesce(nullif(a.application_name, ''), a.usename::text) as application, a.xact_start as since
from pg_catalog.pg_locks l
join pg_catalog.pg_class c on c.oid = l.relation
left join pg_catalog.pg_stat_activity a on a.pid = l.pid
where l.locktype = 'relation'
  and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
  and c.relnamespace = 'heartbeat'::regnamespace
  and l.granted
  and l.pid is distinct from pg_backend_pid()
order by since, l.pid
-- name: tells_open_transactions
-- In marts, and not in a source: there a role sees of others what it has been granted.
select coalesce(has_function_privilege(to_regprocedure('heartbeat.open_transactions()'), 'execute'), false)

-- name: open_transactions
select pid, since from heartbeat.open_transactions()
