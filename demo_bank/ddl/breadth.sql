-- empty tables until core has as many as the real one
do $$
begin
  for n in 1 .. current_setting('bank.breadth')::int - (select count(*) from pg_tables where schemaname = 'core') loop
    execute format('create table core.archive_%s (id bigint primary key, client_profile_id bigint, note text, update_time timestamp not null)', lpad(n::text, 3, '0'));
  end loop;
end $$;
