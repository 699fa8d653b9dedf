-- name: end_reader
select pg_catalog.pg_terminate_backend(pid)
  from pg_catalog.pg_stat_activity
 where pid = %(pid)s and usename = %(login)s

-- name: reader_lives
select exists (select from pg_catalog.pg_stat_activity where pid = %(pid)s and usename = %(login)s)
