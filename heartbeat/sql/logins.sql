-- name: roles
-- The roles of the server, which all databases share: made where they are missing. Who may not make roles needs none of
-- this where an administrator has run docs/operations/grants.sql.
do $$
declare
    made text;
    joined record;
    options text;
    knows_options boolean := current_setting('server_version_num')::int >= 160000;
begin
    foreach made in array array[
        'heartbeat_ingest', 'heartbeat_compute', 'heartbeat_reader', 'heartbeat_api', 'heartbeat_operator',
        'heartbeat_dagster', 'heartbeat_sync', 'heartbeat_benchmark'
    ]
    loop
        if to_regrole(made) is null then
            begin
                execute format('create role %I', made);
            exception when duplicate_object or unique_violation then
                null;
            end;
        end if;
    end loop;
    foreach made in array array[
        'heartbeat_ingest', 'heartbeat_compute', 'heartbeat_reader', 'heartbeat_api', 'heartbeat_operator',
        'heartbeat_dagster'
    ]
    loop
        if not (select rolcanlogin from pg_catalog.pg_roles where rolname = made) then
            execute format('alter role %I login', made);
        end if;
    end loop;
    -- to become the one writer that a guard asks for, and to end a session of an author's
    for joined in
        select *
        from (values
            ('heartbeat_sync', 'heartbeat_ingest', false, true),
            ('heartbeat_benchmark', 'heartbeat_compute', false, true),
            ('heartbeat_reader', 'heartbeat_compute', true, false)
        ) as wanted (role_name, member_name, inherits, sets)
        where not exists (
            select
            from pg_catalog.pg_auth_members as known
            where known.roleid = to_regrole(wanted.role_name) and known.member = to_regrole(wanted.member_name)
        )
    loop
        options := case when knows_options then 
            format(' with inherit %s, set %s', joined.inherits::text, joined.sets::text)
        else '' end;
        execute format('grant %I to %I%s', joined.role_name, joined.member_name, options);
    end loop;
    -- what the owner hands over it must be able to take part in
    if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
        foreach made in array array['heartbeat_ingest', 'heartbeat_dagster']
        loop
            if not (
                pg_has_role(current_user, made, 'usage')
                and case when knows_options then pg_has_role(current_user, made, 'set') else true end
            ) then
                options := case when knows_options then ' with inherit true, set true' else '' end;
                execute format('grant %I to current_user%s', made, options);
            end if;
        end loop;
    end if;
end
$$

-- name: database
-- Rights on the database itself, which no copy of it inherits.
do $$
declare
    name text := current_database();
    login text;
begin
    if has_database_privilege('heartbeat_reader', name, 'temporary') then
        execute format('revoke temporary on database %I from public', name);
    end if;
    foreach login in array array[
        'heartbeat_ingest', 'heartbeat_compute', 'heartbeat_reader', 'heartbeat_api', 'heartbeat_operator'
    ]
    loop
        if not has_database_privilege(login, name, 'connect') then
            execute format('grant connect on database %I to %I', name, login);
        end if;
    end loop;
    if not has_database_privilege('heartbeat_ingest', name, 'create') then
        execute format('grant create on database %I to heartbeat_ingest', name);
    end if;
    if not has_database_privilege('heartbeat_ingest', name, 'temporary') then
        execute format('grant temporary on database %I to heartbeat_ingest', name);
    end if;
    if has_schema_privilege('heartbeat_reader', 'public', 'create') then
        revoke create on schema public from public;
    end if;
end
$$

-- name: readable
-- What the jobs may read of schema heartbeat: all of it. After each migration, since one that makes a table need not say it.
do $$
declare
    relation regclass;
    login text;
begin
    for relation, login in
        select c.oid::regclass, job
        from pg_catalog.pg_class as c
        cross join unnest(array['heartbeat_ingest', 'heartbeat_compute', 'heartbeat_api', 'heartbeat_operator']) as job
        where c.relnamespace = 'heartbeat'::regnamespace
          and c.relkind in ('r', 'p', 'v', 'm')
          and not has_table_privilege(job, c.oid, 'select')
        order by 1, 2
    loop
        execute format('grant select on %s to %I', relation, login);
    end loop;
end
$$

-- name: landed_schemas
-- The schemas that landings made, and who owns them and what is in them beside heartbeat_ingest.
select distinct n.nspname as schema_name, owner.rolname as owner_name
from pg_catalog.pg_namespace as n
left join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relkind in ('r', 'p')
cross join lateral (values (n.nspowner), (c.relowner)) as owned (by)
join pg_catalog.pg_roles as owner on owner.oid = owned.by
where owner.rolname <> 'heartbeat_ingest'
  and (
      n.nspname in (select schema_name from heartbeat.table_load)
      or exists (
          select
          from pg_catalog.pg_class as ours
          where ours.relnamespace = n.oid and ours.relname in ('_dlt_loads', '_dlt_version')
      )
  )

-- name: hand_over
-- Landed schemas and tables of earlier versions, which their one login owned, to the login that lands.
do $$
declare
    schema_name text;
    relation regclass;
begin
    for schema_name, relation in
        select n.nspname, c.oid::regclass
        from pg_catalog.pg_namespace as n
        left join pg_catalog.pg_class as c
            on c.relnamespace = n.oid and c.relkind in ('r', 'p') and c.relowner <> 'heartbeat_ingest'::regrole
        where (n.nspowner <> 'heartbeat_ingest'::regrole or c.oid is not null)
          and (
              n.nspname in (select load.schema_name from heartbeat.table_load as load)
              or exists (
                  select
                  from pg_catalog.pg_class as ours
                  where ours.relnamespace = n.oid and ours.relname in ('_dlt_loads', '_dlt_version')
              )
          )
        order by 1
    loop
        if (select nspowner from pg_catalog.pg_namespace where nspname = schema_name) <> 'heartbeat_ingest'::regrole then
            execute format('alter schema %I owner to heartbeat_ingest', schema_name);
        end if;
        if relation is not null then
            execute format('alter table %s owner to heartbeat_ingest', relation);
        end if;
    end loop;
end
$$

-- name: dagster_tables
-- In Dagster's own database: what earlier versions made as the owner.
do $$
declare
    relation regclass;
begin
    if not has_schema_privilege('heartbeat_dagster', 'public', 'create') then
        grant create, usage on schema public to heartbeat_dagster;
    end if;
    for relation in
        select c.oid::regclass
        from pg_catalog.pg_class as c
        where c.relnamespace = 'public'::regnamespace
          and c.relowner <> 'heartbeat_dagster'::regrole
          and c.relkind in ('r', 'p', 'v', 'm')
    loop
        execute format('alter table %s owner to heartbeat_dagster', relation);
    end loop;
end
$$

-- name: dagster_database
-- Who owns a database, and whether everybody may connect to it.
select
    owner.rolname as owner_name,
    pg_catalog.pg_has_role(d.datdba, 'usage') as is_ours,
    d.datacl is null or exists (
        select from pg_catalog.aclexplode(d.datacl) as acl where acl.grantee = 0
    ) as is_open
from pg_catalog.pg_database as d
join pg_catalog.pg_roles as owner on owner.oid = d.datdba
where d.datname = %(database)s

-- name: other_dagster_databases
-- Of other Heartbeats on this server, whose logins are the same roles.
select d.datname
from pg_catalog.pg_database as d
join pg_catalog.pg_roles as owner on owner.oid = d.datdba
where owner.rolname = 'heartbeat_dagster' and d.datname <> %(dagster_database)s
order by 1

-- name: withdraw
-- Functions of Postgres with which a query could keep others waiting, wake or end them, or store something: for nobody but
-- the jobs that need them. Only a superuser can say so.
do $$
declare
    withdrawn regprocedure;
begin
    for withdrawn in
        select oid::regprocedure
        from pg_catalog.pg_proc
        where pronamespace = 'pg_catalog'::regnamespace
          and proname ~ '^(pg_(try_)?advisory_.*|pg_notify|pg_logical_emit_message|pg_(cancel|terminate)_backend|lo_.*|lowrite|loread)$'
    loop
        execute format('revoke execute on function %s from public', withdrawn);
        if withdrawn::text ~ '^pg_(try_)?advisory_|^pg_(cancel|terminate)_backend' then
            execute format(
                'grant execute on function %s to heartbeat_ingest, heartbeat_compute, heartbeat_api, '
                'heartbeat_operator, heartbeat_sync, heartbeat_benchmark',
                withdrawn
            );
        end if;
    end loop;
end
$$

-- name: limits
-- What is set for a role in this database.
select coalesce(array_agg(each.setting), '{}')
from pg_catalog.pg_db_role_setting as said
join pg_catalog.pg_database as d on d.oid = said.setdatabase
cross join lateral unnest(said.setconfig) as each (setting)
where d.datname = current_database() and said.setrole = to_regrole(%(role)s)
