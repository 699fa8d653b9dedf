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
