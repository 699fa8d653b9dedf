-- Roles carry the right to write, one per writer of metric_registry. They are cluster-wide, so another database may have made them.
do $$
declare
    role_name text;
begin
    foreach role_name in array array['heartbeat_sync', 'heartbeat_operator', 'heartbeat_benchmark']
    loop
        begin
            execute format('create role %I nologin', role_name);
        exception when duplicate_object or unique_violation then
            null;
        end;
        execute format('grant usage on schema heartbeat to %I', role_name);
    end loop;
end
$$;

create function heartbeat.as_of() returns timestamptz
language sql stable parallel safe
return coalesce(nullif(current_setting('heartbeat.as_of', true), '')::timestamptz, now());

comment on function heartbeat.as_of() is
    'The moment a compute speaks of: the setting heartbeat.as_of of the transaction, else now()';

create function heartbeat.business_timezone() returns text
language sql stable parallel safe
return coalesce(nullif(current_setting('heartbeat.timezone', true), ''), 'UTC');

comment on function heartbeat.business_timezone() is
    'The time zone that cuts business days: the setting heartbeat.timezone of the transaction, else UTC';

create function heartbeat.business_day(moment timestamptz) returns date
language sql stable parallel safe
return (moment at time zone heartbeat.business_timezone())::date;

comment on function heartbeat.business_day(timestamptz) is 'The business day that a moment falls on';

create function heartbeat.business_days(number integer default 90)
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

create domain heartbeat.metric_status as text check (value in ('red', 'amber', 'green'));
create domain heartbeat.verification_state as text check (value in ('unverified', 'verified'));

create table heartbeat.metric_registry (
    metric_id text primary key,
    code text not null,
    name text not null,
    short_name text not null,
    period text not null,
    unit text not null,
    direction text not null,
    kind text not null,
    amber_z double precision not null,
    red_z double precision not null,
    reads text[] not null,
    cuts text[] not null,
    description text not null,
    how_to_read text not null,
    methodology text not null,
    notes text not null,
    norm_value numeric,
    alert_value numeric,
    target_value numeric,
    target_due_date date,
    owner text,
    verification_state heartbeat.verification_state not null default 'unverified',
    benchmark_mean double precision,
    benchmark_stddev double precision,
    benchmark_n integer,
    registered_at timestamptz not null default now(),
    unique (code) deferrable initially deferred
);

create table heartbeat.metric_history (
    metric_id text not null,
    d date not null,
    v numeric,
    computed_at timestamptz,
    source_as_of timestamptz,
    status heartbeat.metric_status,
    error text,
    run_id text not null,
    primary key (metric_id, d),
    check (v is not null or error is not null)
);

comment on column heartbeat.metric_history.v is
    'The value of that business day; of today the last good one. Kept when a later compute of the day fails';
comment on column heartbeat.metric_history.error is
    'Why the last compute of that day failed; null when it succeeded';

create table heartbeat.metric_observation (
    id bigint generated always as identity primary key,
    metric_id text not null,
    as_of timestamptz not null,
    computed_at timestamptz not null,
    v numeric,
    source_as_of timestamptz,
    status heartbeat.metric_status,
    error text,
    seconds double precision not null,
    run_id text not null
);

create index on heartbeat.metric_observation (metric_id, computed_at);

create table heartbeat.table_load (
    schema_name text not null,
    table_name text not null,
    polled_at timestamptz,
    changed_at timestamptz,
    row_count bigint,
    write_mode text not null,
    error text,
    run_id text not null,
    primary key (schema_name, table_name)
);

comment on column heartbeat.table_load.polled_at is
    'The moment of the source snapshot that the landed rows are known to equal; null when it never landed';
comment on column heartbeat.table_load.changed_at is
    'The polled_at of the last load that brought at least one row';
comment on column heartbeat.table_load.error is
    'Why the last attempt failed; null when it succeeded';

create function heartbeat.source_as_of(reads text[]) returns timestamptz
language sql stable parallel safe
begin atomic
    select case when count(load.polled_at) = count(*) then min(load.polled_at) end
    from unnest(reads) as read (name)
    left join heartbeat.table_load as load on load.schema_name || '.' || load.table_name = read.name;
end;

comment on function heartbeat.source_as_of(text[]) is
    'The oldest poll among tables given as schema.table; null as soon as one of them was never landed';

create table heartbeat.table_load_log (
    id bigint generated always as identity primary key,
    schema_name text not null,
    table_name text not null,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    polled_at timestamptz,
    rows_sent bigint,
    bytes_sent bigint,
    write_mode text not null,
    error text,
    run_id text not null
);

create index on heartbeat.table_load_log (schema_name, table_name, started_at);

create table heartbeat.audit_cut_registry (
    cut_id text primary key,
    page text not null,
    title text not null,
    prose text not null,
    windows text[] not null,
    window_default text not null,
    reads text[] not null,
    methodology text not null,
    how_to_read text not null,
    owner text,
    verification_state heartbeat.verification_state not null default 'unverified',
    registered_at timestamptz not null default now(),
    check (window_default = any (windows))
);

create table heartbeat.audit_cut_snapshot (
    cut_id text not null,
    window_key text not null,
    payload jsonb,
    spec jsonb,
    svg text,
    computed_at timestamptz,
    source_as_of timestamptz,
    error text,
    run_id text not null,
    primary key (cut_id, window_key),
    check (svg is not null or error is not null)
);

comment on column heartbeat.audit_cut_snapshot.error is
    'Why the last compute failed; payload, spec and svg then stay as the last good compute left them';

create table heartbeat.change_log (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    actor text not null,
    subject text not null,
    field text not null,
    old_value text,
    new_value text,
    reason text
);

create function heartbeat.metric_registry_writer(column_name text) returns text
language sql immutable parallel safe
return case
    when column_name in ('norm_value', 'alert_value', 'target_value', 'target_due_date', 'owner', 'verification_state')
        then 'heartbeat_operator'
    when column_name in ('benchmark_mean', 'benchmark_stddev', 'benchmark_n')
        then 'heartbeat_benchmark'
    else 'heartbeat_sync'
end;

create function heartbeat.metric_registry_guard() returns trigger
language plpgsql as $$
declare
    refused text;
    writer text;
begin
    if tg_op <> 'UPDATE' then
        if current_user <> 'heartbeat_sync' then
            raise exception 'metric_registry: % may not % rows', current_user, lower(tg_op)
                using errcode = 'insufficient_privilege',
                      hint = 'Add, change or delete the file in metrics/ and run "heartbeat registry sync".';
        end if;
        return coalesce(new, old);
    end if;
    select after.key, heartbeat.metric_registry_writer(after.key)
      into refused, writer
      from jsonb_each(to_jsonb(new)) as after
      join jsonb_each(to_jsonb(old)) as before using (key)
     where after.value is distinct from before.value
       and heartbeat.metric_registry_writer(after.key) <> current_user
     order by after.key
     limit 1;
    if refused is not null then
        raise exception 'metric_registry: % may not write column %', current_user, refused
            using errcode = 'insufficient_privilege',
                  hint = case writer
                      when 'heartbeat_sync' then 'Change the file in metrics/ and run "heartbeat registry sync".'
                      when 'heartbeat_operator' then 'Change it through the API as an operator.'
                      else 'The daily benchmark job writes it.'
                  end;
    end if;
    return new;
end
$$;

create trigger metric_registry_guard
before insert or update or delete on heartbeat.metric_registry
for each row execute function heartbeat.metric_registry_guard();

create function heartbeat.metric_registry_refuse_truncate() returns trigger
language plpgsql as $$
begin
    raise exception 'metric_registry: nobody may truncate it'
        using errcode = 'insufficient_privilege',
              hint = 'Delete the file in metrics/ and run "heartbeat registry sync".';
end
$$;

create trigger metric_registry_refuse_truncate
before truncate on heartbeat.metric_registry
for each statement execute function heartbeat.metric_registry_refuse_truncate();

grant select on heartbeat.metric_registry to heartbeat_sync, heartbeat_operator, heartbeat_benchmark;
grant insert, update, delete on heartbeat.metric_registry to heartbeat_sync;
grant update (norm_value, alert_value, target_value, target_due_date, owner, verification_state)
    on heartbeat.metric_registry to heartbeat_operator;
grant update (benchmark_mean, benchmark_stddev, benchmark_n)
    on heartbeat.metric_registry to heartbeat_benchmark;
grant insert on heartbeat.change_log to heartbeat_operator;
