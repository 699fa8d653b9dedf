-- name: begun
insert into heartbeat.table_load (schema_name, table_name, write_mode, run_id, source_name, began_at, under_way)
values (%(schema_name)s, %(table_name)s, %(write_mode)s, %(run_id)s, %(source_name)s, now(), true)
on conflict (schema_name, table_name) do update set
    source_name = excluded.source_name,
    began_at = excluded.began_at,
    under_way = true,
    dropped_at = null

-- name: sync
-- What a file that cannot be read now would land is not known, and so it stays; of rows without a source, that is any.
update heartbeat.table_load as load
   set dropped_at = case when not known.landed then now() end
  from (
        select schema_name, table_name,
               (schema_name || '.' || table_name) = any (%(tables)s)
               or coalesce(source_name = any (%(unreadable)s), %(unreadable)s <> '{}'::text[]) as landed
          from heartbeat.table_load
       ) as known
 where known.schema_name = load.schema_name and known.table_name = load.table_name
   and known.landed <> (load.dropped_at is null)

-- name: left
-- Attempts that nobody carries out: a landing holds the lock of its source until its last attempt has ended.
select schema_name || '.' || table_name, began_at
  from heartbeat.table_load as load
 where dropped_at is null and under_way
   and not exists (
        select
          from pg_catalog.pg_locks as lock
          join pg_catalog.pg_database as database on database.oid = lock.database
         where lock.locktype = 'advisory' and lock.objsubid = 1 and lock.granted
           and database.datname = current_database()
           and (lock.classid::bigint << 32) | lock.objid::bigint = hashtextextended('land ' || load.source_name, 0)
       )

-- name: tables
select count(*)
  from heartbeat.table_load
 where dropped_at is null

-- name: troubled
select schema_name || '.' || table_name as "table", polled_at, error, began_at, ended_at
  from heartbeat.table_load
 where dropped_at is null and (error is not null or under_way)
 order by 1
