alter table core.account add column if not exists branch text default 'VILNIUS';
alter table dict.currency alter column minor_units type text using case minor_units::text when '0' then 'none' else minor_units::text end;
create table if not exists core.device(id bigint primary key, client_profile_id bigint, platform text, seen_at timestamp not null);
insert into core.device values (1, 1, 'ios', timestamp '2026-01-02 03:04:05'), (2, 2, 'android', timestamp '2026-01-03 03:04:05') on conflict do nothing;
grant select on core.device to heartbeat_reader_a;
