drop table if exists core.device;
alter table dict.currency alter column minor_units type smallint using case minor_units::text when 'none' then 0 else minor_units::text::smallint end;
alter table core.account drop column if exists branch;
