-- name: snapshot
select pg_export_snapshot()

-- name: server_version
select current_setting('server_version_num')::integer / 10000

-- name: landed_schemas
-- Schemas that hold landed tables.
select distinct load.schema_name
from heartbeat.table_load as load
join pg_catalog.pg_namespace as n on n.nspname = load.schema_name
order by 1

-- name: tables
select c.relname
from pg_catalog.pg_class c
where c.relnamespace = 'heartbeat'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
order by 1

-- name: roles
-- Heartbeat's own roles, and every other one that may do something in the schemas; no owner, no superuser.
with own as (
    select oid, nspowner, nspacl from pg_catalog.pg_namespace where nspname = any (%(schemas)s)
),
acl as (
    select nspowner as owner, nspacl as acl from own
    union all
    select relowner, relacl from pg_catalog.pg_class where relnamespace in (select oid from own)
    union all
    select proowner, proacl from pg_catalog.pg_proc where pronamespace in (select oid from own)
    union all
    select typowner, typacl from pg_catalog.pg_type where typnamespace in (select oid from own)
    union all
    select null, a.attacl
    from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
    where c.relnamespace in (select oid from own) and a.attacl is not null
)
select r.rolname, r.rolcanlogin and r.rolname ~ '^heartbeat_' as login
from pg_catalog.pg_roles r
where not r.rolsuper and r.rolname <> current_user and r.rolname !~ '^pg_'
  and (
      r.rolname ~ '^heartbeat_'
      or r.oid in (select owner from acl where owner is not null)
      or r.oid in (select grantee from acl, aclexplode(acl))
  )
order by 1

-- name: memberships
-- Who is a member of which of these roles; the member is null where it is who makes the backup.
select granted.rolname as role, nullif(member.rolname, current_user) as member
from pg_catalog.pg_auth_members m
join pg_catalog.pg_roles granted on granted.oid = m.roleid
join pg_catalog.pg_roles member on member.oid = m.member
where granted.rolname = any (%(roles)s) and (member.rolname = any (%(roles)s) or member.rolname = current_user)
group by 1, 2
order by 1, 2

-- name: owners
-- What belongs to another role than to who makes the backup, as the statements that give it to that role.
with own as (
    select oid, nspname, nspowner from pg_catalog.pg_namespace where nspname = any (%(schemas)s)
)
select statement, role
from (
select format('alter schema %%I owner to %%I', own.nspname, r.rolname) as statement, r.rolname as role, 1 as place
from own join pg_catalog.pg_roles r on r.oid = own.nspowner
where r.rolname = any (%(roles)s)
union all
select format('alter %%s %%I.%%I owner to %%I',
              case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
                             when 'f' then 'foreign table' else 'table' end,
              own.nspname, c.relname, r.rolname), r.rolname, 2
from own
join pg_catalog.pg_class c on c.relnamespace = own.oid and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
join pg_catalog.pg_roles r on r.oid = c.relowner
where r.rolname = any (%(roles)s)
  -- the sequence of a column goes with its table
  and not exists (
      select from pg_catalog.pg_depend d
      where d.objid = c.oid and d.classid = 'pg_catalog.pg_class'::regclass and d.deptype in ('a', 'i') and c.relkind = 'S'
  )
union all
select format('alter routine %%s owner to %%I', p.oid::regprocedure, r.rolname), r.rolname, 2
from own
join pg_catalog.pg_proc p on p.pronamespace = own.oid
join pg_catalog.pg_roles r on r.oid = p.proowner
where r.rolname = any (%(roles)s) and p.prokind in ('f', 'p')
union all
select format('alter type %%s owner to %%I', t.oid::regtype, r.rolname), r.rolname, 2
from own
join pg_catalog.pg_type t on t.typnamespace = own.oid and t.typtype in ('d', 'e')
join pg_catalog.pg_roles r on r.oid = t.typowner
where r.rolname = any (%(roles)s)
) as given
-- who gets a table must be able to make one in its schema
order by place, statement

-- name: present
-- Of the schemas, those that are there already.
select nspname from pg_catalog.pg_namespace where nspname = any (%(schemas)s) order by 1

-- name: refuse_rows
-- Again, now that nobody else migrates: a restore takes the place of a schema without rows only.
do $$
declare
    held record;
    has_rows boolean;
begin
    for held in
        select c.oid::regclass as name
        from pg_catalog.pg_class c
        where c.relnamespace = to_regnamespace('heartbeat') and c.relkind in ('r', 'p') and c.relname <> 'schema_version'
    loop
        execute format('lock table %s in access exclusive mode', held.name);
        execute format('select exists (select from %s)', held.name) into has_rows;
        if has_rows then
            raise exception '% has rows', held.name;
        end if;
    end loop;
end
$$

-- name: make_roles
-- What of the roles is missing on this server. None gets a password; one that is not Heartbeat's own cannot log in.
do $$
declare
    role record;
begin
    for role in select * from jsonb_to_recordset(current_setting('heartbeat.roles')::jsonb) as r (name text, login boolean)
    loop
        begin
            execute format('create role %I %s', role.name, case when role.login then 'login' else 'nologin' end);
            if current_setting('is_superuser') = 'off' then
                execute format('grant %I to current_user', role.name);
            end if;
        exception when duplicate_object or unique_violation then
            null;
        end;
    end loop;
    for role in
        select r.role, coalesce(r.member, current_user) as member
        from jsonb_to_recordset(current_setting('heartbeat.memberships')::jsonb) as r (role text, member text)
    loop
        if not pg_has_role(role.member, role.role, 'member') then
            execute format('grant %I to %I', role.role, role.member);
        end if;
    end loop;
    for role in select * from jsonb_array_elements_text(current_setting('heartbeat.owners')::jsonb) as r (name)
    loop
        execute format('grant create on database %I to %I', current_database(), role.name);
    end loop;
end
$$

-- name: check_rows
-- As many rows as the backup counted.
do $$
declare
    counted record;
    found bigint;
begin
    for counted in select * from jsonb_each_text(current_setting('heartbeat.rows')::jsonb) as r (name, number)
    loop
        execute format('select count(*) from heartbeat.%I', counted.name) into found;
        if found <> counted.number::bigint then
            raise exception '% has % rows, and the backup had %', counted.name, found, counted.number;
        end if;
    end loop;
end
$$

-- name: unlanded
-- Tables that the ledger knows and that were not restored are as if they had never landed: no moment, no number of
-- rows, no place to resume at. The log of their loads stays. Only columns that the version of the file has are written.
do $$
declare
    assignments text;
begin
    select string_agg(known.assignment, ', ')
      into assignments
      from (
            values ('polled_at', 'polled_at = null'), ('changed_at', 'changed_at = null'),
                   ('row_count', 'row_count = null'), ('digest', 'digest = null'), ('columns', 'columns = null'),
                   ('resume_after', 'resume_after = null'), ('resume_since', 'resume_since = null'),
                   ('source_state', 'source_state = null'), ('under_way', 'under_way = false'),
                   ('error', 'error = ''restored from a backup without its rows; the next refresh lands it''')
           ) as known (name, assignment)
      join pg_catalog.pg_attribute a
        on a.attrelid = 'heartbeat.table_load'::regclass and a.attname = known.name and not a.attisdropped;
    execute 'update heartbeat.table_load set ' || assignments
        || ' where to_regclass(quote_ident(schema_name) || ''.'' || quote_ident(table_name)) is null';
end
$$
