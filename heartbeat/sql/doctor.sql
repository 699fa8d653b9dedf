-- name: database_size
select pg_database_size(current_database())

-- name: has_schema
select to_regclass('heartbeat.schema_version') is not null

-- name: schema_version
select version_num from heartbeat.schema_version

-- name: role_problems
select case
           when known.oid is null then format('the role %s is not there', needed.name)
           else format('%s may not take the role %s', current_user, needed.name)
       end
  from unnest(array['heartbeat_sync', 'heartbeat_operator', 'heartbeat_benchmark', 'heartbeat_reader'])
       as needed (name)
  left join pg_catalog.pg_roles as known on known.rolname = needed.name
 where known.oid is null or not pg_has_role(current_user, known.oid, 'member')
