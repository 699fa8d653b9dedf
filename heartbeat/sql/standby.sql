-- name: position
-- All that was committed before this statement is before this place of the log, flushed or not.
select (select system_identifier from pg_catalog.pg_control_system()),
       (case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()
             else pg_catalog.pg_current_wal_insert_lsn() end)::text

-- name: replayed
select pg_catalog.pg_is_in_recovery(),
       (select system_identifier from pg_catalog.pg_control_system()),
       coalesce(pg_catalog.pg_last_wal_replay_lsn() >= %(lsn)s::pg_catalog.pg_lsn, true)

-- name: committed
-- Equal texts: between the two statements no transaction ended that changed anything.
select pg_catalog.pg_current_snapshot()::text
