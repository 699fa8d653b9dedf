-- The first databases were made before migration 0001 had these; 0003 cannot do without the last one.
create or replace function heartbeat.business_day(moment timestamptz) returns date
language sql stable parallel safe
return (moment at time zone heartbeat.business_timezone())::date;

comment on function heartbeat.business_day(timestamptz) is 'The business day that a moment falls on';

create or replace function heartbeat.business_days(number integer default 90)
returns table (d date, opens timestamptz, closes timestamptz, is_today boolean)
language sql stable parallel safe rows 90
begin atomic
    select
        day::date,
        day at time zone heartbeat.business_timezone(),
        least((day + interval '1 day') at time zone heartbeat.business_timezone(), heartbeat.as_of()),
        day::date = heartbeat.business_day(heartbeat.as_of())
    from generate_series(
        heartbeat.business_day(heartbeat.as_of())::timestamp - (number - 1) * interval '1 day',
        heartbeat.business_day(heartbeat.as_of())::timestamp,
        interval '1 day'
    ) as day;
end;

comment on function heartbeat.business_days(integer) is
    'The last business days, the day of as_of() included: each opens at its midnight and closes at the next, today at as_of()';

create function heartbeat.source_as_of(reads text[]) returns timestamptz
language sql stable parallel safe
begin atomic
    select case when count(load.polled_at) = count(*) then min(load.polled_at) end
    from unnest(reads) as read (name)
    left join heartbeat.table_load as load on load.schema_name || '.' || load.table_name = read.name;
end;

comment on function heartbeat.source_as_of(text[]) is
    'The oldest poll among tables given as schema.table; null as soon as one of them was never landed';
