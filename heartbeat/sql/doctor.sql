-- name: database_size
select pg_database_size(current_database())

-- name: has_schema
select to_regclass('heartbeat.schema_version') is not null

-- name: schema_version
select version_num from heartbeat.schema_version

-- name: role_problems
-- What every login needs of the roles of the server: that each is there, and that those who write may become the writer.
select format('the role %%s is not there', needed.name)
  from unnest(%(roles)s::text[]) as needed (name)
 where to_regrole(needed.name) is null
union all
select format('%%s may not log in', login.rolname)
  from pg_catalog.pg_roles as login
 where login.rolname = any (%(logins)s) and not login.rolcanlogin
union all
select format('%%s may not take the role %%s', needed.member_name, needed.role_name)
  from (
        values
            ('heartbeat_sync', 'heartbeat_ingest'),
            ('heartbeat_benchmark', 'heartbeat_compute'),
            ('heartbeat_reader', 'heartbeat_compute')
       ) as needed (role_name, member_name)
 where not pg_has_role(to_regrole(needed.member_name), to_regrole(needed.role_name), 'member')
union all
select format('%%s may not connect to this database', login.rolname)
  from pg_catalog.pg_roles as login
 where login.rolname = any (%(logins)s) and login.rolname <> 'heartbeat_dagster'
   and not has_database_privilege(login.oid, current_database(), 'connect')
