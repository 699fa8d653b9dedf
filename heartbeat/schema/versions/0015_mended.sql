-- Migrations were changed after databases had been made by them. What such a database lacks is added here; in any
-- other one nothing changes. It runs twice where it is needed: the migrations after 0011 build on what it adds.

alter table heartbeat.audit_cut_snapshot add column if not exists empty_reads text[] not null default '{}';

comment on column heartbeat.audit_cut_snapshot.empty_reads is
    'The tables that had no row at the last good compute; when another one has none, that picture stays';

revoke select on heartbeat.source_drift from heartbeat_reader;

do $$
begin
    if not exists (
        select
        from pg_catalog.pg_attribute
        where attrelid = 'heartbeat.source_drift'::regclass and attname = 'accepted' and not attisdropped
    ) then
        alter table heartbeat.source_drift add column accepted boolean not null default false;
        -- what 0008 took from comments is no news; of any other loss the next landing says whether it is
        update heartbeat.source_drift
           set accepted = true
         where kind = 'gone'
           and message = format('%s.%s.%s is gone; renamed?', schema_name, table_name, column_name);
    end if;
end
$$;

comment on column heartbeat.source_drift.accepted is
    'Whether the catalog of the source has been written without it since: then it is no news any more';

alter table heartbeat.table_load add column if not exists source_state jsonb;

comment on column heartbeat.table_load.source_state is
    'What the source table and its columns were when the landed rows were read; null means not known, and as now';

do $$
begin
    if not exists (
        select
        from pg_catalog.pg_attribute
        where attrelid = 'heartbeat.table_load'::regclass and attname = 'under_way' and not attisdropped
    ) then
        alter table heartbeat.table_load add column under_way boolean not null default false;
        update heartbeat.table_load set under_way = true where began_at > coalesce(ended_at, '-infinity');
    end if;
end
$$;

comment on column heartbeat.table_load.under_way is
    'Whether the last attempt has not ended: it goes on, or what carried it out is gone';
comment on column heartbeat.table_load.ended_at is 'When the last attempt that has ended did so, well or not';

do $$
declare
    guarded record;
begin
    for guarded in
        select tg.tgrelid::regclass as relation, tg.tgname
          from pg_catalog.pg_trigger as tg
          join pg_catalog.pg_class as c on c.oid = tg.tgrelid
         where c.relnamespace = 'heartbeat'::regnamespace and not tg.tgisinternal and c.relkind in ('r', 'p')
           and tg.tgenabled <> 'A'
    loop
        execute format('alter table %s enable always trigger %I', guarded.relation, guarded.tgname);
    end loop;
end
$$;

-- every process asks which version it has before it reads or writes, whatever its role
grant select on heartbeat.schema_version to public;
