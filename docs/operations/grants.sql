-- Run once by an administrator of the server (a superuser, or the administrator that a managed Postgres gives you), before
-- the first `heartbeat migrate`, and again after an update that asks for it. It can be repeated:
--
--   psql -v owner=heartbeat -v database=marts -f grants.sql "postgresql://administrator@host/postgres"
--
-- `owner` is the role that HEARTBEAT_DATABASE_URL logs in as; it must exist, and need be no superuser. `database` is made
-- where it is missing, and so is Dagster's beside it.

\set ON_ERROR_STOP on
\set dagster :database _dagster

-- 1. The owner makes the logins of the jobs and gives them passwords.
alter role :"owner" createrole;
select format('create role %I', name)
from unnest(array[
    'heartbeat_ingest', 'heartbeat_compute', 'heartbeat_reader', 'heartbeat_api', 'heartbeat_operator',
    'heartbeat_dagster', 'heartbeat_sync', 'heartbeat_benchmark'
]) as name
where to_regrole(name) is null
\gexec
alter role heartbeat_ingest login;
alter role heartbeat_compute login;
alter role heartbeat_reader login;
alter role heartbeat_api login;
alter role heartbeat_operator login;
alter role heartbeat_dagster login;

-- 2. The owner alters them, and may become the two to which it hands over schemas and a database. The one statement is of
-- PostgreSQL 16 and later, the other of 14 and 15.
select current_setting('server_version_num')::int >= 160000 as has_options \gset
\if :has_options
grant heartbeat_ingest, heartbeat_dagster to :"owner" with admin true, inherit true, set true;
grant heartbeat_compute, heartbeat_reader, heartbeat_api, heartbeat_operator, heartbeat_sync, heartbeat_benchmark
    to :"owner" with admin true, inherit false, set false;
\else
grant heartbeat_ingest, heartbeat_dagster to :"owner";
\endif

-- 3. The databases. Who gives one to a role has to be able to become it.
select rolsuper as is_superuser from pg_roles where rolname = current_user \gset
\if :is_superuser
\else
grant :"owner", heartbeat_dagster to current_user;
\endif
select format('create database %I encoding ''UTF8'' template template0 owner %I', :'database', :'owner')
where not exists (select from pg_database where datname = :'database')
\gexec
alter database :"database" owner to :"owner";
select format('create database %I encoding ''UTF8'' template template0 owner heartbeat_dagster', :'dagster')
where not exists (select from pg_database where datname = :'dagster')
\gexec
alter database :"dagster" owner to heartbeat_dagster;

-- 4. How much disk the SQL of authors may take: a parameter that else only a superuser sets (PostgreSQL 15 and later).
select current_setting('server_version_num')::int >= 150000 as has_parameters \gset
\if :has_parameters
grant set on parameter temp_file_limit to :"owner";
\endif

-- 5. What only a superuser may say, in marts; where the administrator is none, Heartbeat works without it and says so.
\if :is_superuser
\connect :"database"
revoke create on schema public from public;
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
$$;
\endif
