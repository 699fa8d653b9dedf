-- name: owner
select
    current_user,
    rolsuper or rolcreaterole as makes_roles,
    rolsuper or rolcreatedb as makes_databases,
    rolsuper,
    current_setting('server_version_num')::int >= 160000 as has_admins
from pg_catalog.pg_roles
where rolname = current_user

-- name: databases
-- Of the databases that are there, those that the owner does not own.
select d.datname
from pg_catalog.pg_database as d
where d.datname = any (%(names)s) and not pg_catalog.pg_has_role(d.datdba, 'usage')

-- name: known_databases
select d.datname, owner.rolname
from pg_catalog.pg_database as d
join pg_catalog.pg_roles as owner on owner.oid = d.datdba
where d.datname = any (%(names)s)

-- name: roles
-- Each role that is there, whether it is a superuser, and whether the owner may alter and grant it.
select
    r.rolname,
    r.rolsuper,
    pg_catalog.pg_has_role(current_user, r.oid, 'member with admin option') as administers
from pg_catalog.pg_roles as r
where r.rolname = any (%(roles)s)
order by r.rolname

-- name: schemas
-- The schemas of Heartbeat that belong, they or a table in them, to somebody whom the owner cannot stand in for.
select n.nspname, owner.rolname
from pg_catalog.pg_namespace as n
left join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relkind in ('r', 'p')
cross join lateral (values (n.nspowner), (c.relowner)) as owned (by)
join pg_catalog.pg_roles as owner on owner.oid = owned.by
where owner.rolname <> all (array['heartbeat_ingest', 'pg_database_owner'])
  and not pg_catalog.pg_has_role(owner.oid, 'usage')
  and (
      n.nspname = 'heartbeat'
      or exists (
          select
          from pg_catalog.pg_class as ours
          where ours.relnamespace = n.oid and ours.relname in ('_dlt_loads', '_dlt_version')
      )
  )
group by n.nspname, owner.rolname
order by n.nspname

-- name: may_set
-- Before PostgreSQL 15 only a superuser may.
select case
    when current_setting('server_version_num')::int >= 150000
        then pg_catalog.has_parameter_privilege(%(name)s, 'set')
    else (select rolsuper from pg_catalog.pg_roles where rolname = current_user)
end

-- name: is_withdrawn
select not pg_catalog.has_function_privilege(
    'heartbeat_reader', 'pg_catalog.pg_advisory_lock(bigint)', 'execute'
)
