-- a default of the database or of a role, session_replication_role = replica, would switch them off
do $$
declare
    guarded record;
begin
    for guarded in
        select tg.tgrelid::regclass as relation, tg.tgname
          from pg_catalog.pg_trigger as tg
          join pg_catalog.pg_class as c on c.oid = tg.tgrelid
         where c.relnamespace = 'heartbeat'::regnamespace and not tg.tgisinternal and c.relkind in ('r', 'p')
    loop
        execute format('alter table %s enable always trigger %I', guarded.relation, guarded.tgname);
    end loop;
end
$$;

-- whether an attempt has ended is no question of clocks, of which there are as many as there are servers
alter table heartbeat.table_load add column under_way boolean not null default false;
update heartbeat.table_load set under_way = true where began_at > coalesce(ended_at, '-infinity');

comment on column heartbeat.table_load.under_way is
    'Whether the last attempt has not ended: it goes on, or what carried it out is gone';
comment on column heartbeat.table_load.ended_at is 'When the last attempt that has ended did so, well or not';
