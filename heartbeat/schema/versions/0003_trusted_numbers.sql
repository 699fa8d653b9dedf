-- Metrics and cuts are computed under this role: it can read landed tables and nothing else.
do $$
begin
    begin
        create role heartbeat_reader nologin;
    exception when duplicate_object or unique_violation then
        null;
    end;
    grant usage on schema heartbeat to heartbeat_reader;
end
$$;

alter function heartbeat.source_as_of(text[]) security definer;

create procedure heartbeat.open_to_readers(landed_schema text, landed_tables text[])
language plpgsql as $$
declare
    closed regclass;
begin
    if to_regnamespace(quote_ident(landed_schema)) is null then
        return;
    end if;
    if not has_schema_privilege('heartbeat_reader', landed_schema, 'usage') then
        execute format('grant usage on schema %I to heartbeat_reader', landed_schema);
    end if;
    for closed in
        select c.oid
          from pg_catalog.pg_class c
         where c.relnamespace = to_regnamespace(quote_ident(landed_schema))
           and c.relname = any (landed_tables)
           and c.relkind = 'r'
           and not has_table_privilege('heartbeat_reader', c.oid, 'select')
    loop
        execute format('grant select on %s to heartbeat_reader', closed);
    end loop;
end
$$;

comment on procedure heartbeat.open_to_readers(text, text[]) is
    'Lets heartbeat_reader read landed tables of a schema; grants only what is not granted yet';

do $$
declare
    landed record;
begin
    for landed in
        select schema_name, array_agg(table_name) as tables from heartbeat.table_load group by schema_name
    loop
        call heartbeat.open_to_readers(landed.schema_name, landed.tables);
    end loop;
end
$$;

alter table heartbeat.metric_registry
    add column benchmark_days integer not null default 30,
    add column season text,
    add column definition jsonb,
    add column definition_hash text,
    add column definition_changed_at timestamptz,
    add column benchmark_weekday_means double precision[],
    add column benchmark_at timestamptz;

comment on column heartbeat.metric_registry.definition is
    'What a verification signs: normalised SQL, direction, period, and the columns read with their types';
comment on column heartbeat.metric_registry.definition_changed_at is
    'When a sync first saw the present definition';
comment on column heartbeat.metric_registry.benchmark_weekday_means is
    'The typical value of each weekday, Monday first; null without a season';

alter table heartbeat.metric_history
    add column as_of timestamptz,
    add column severity_step double precision,
    add column closing_v numeric,
    add column restated_at timestamptz;

comment on column heartbeat.metric_history.as_of is
    'The moment that the compute behind the row spoke of; an older compute never overwrites a newer one';
comment on column heartbeat.metric_history.severity_step is
    'The severity that the wall orders by: in steps of 0.5, moved only by a whole step';
comment on column heartbeat.metric_history.closing_v is
    'What the history statement first said of the day after it had ended; null before';
comment on column heartbeat.metric_history.restated_at is
    'When the history statement last said something else of a day that had ended; null when it never did';

create index on heartbeat.metric_history (metric_id, d) where restated_at is not null;

create table heartbeat.metric_backfill (
    metric_id text primary key,
    definition_hash text,
    as_of timestamptz not null,
    run_id text not null
);

comment on table heartbeat.metric_backfill is
    'The last compute of a metric''s past days, and by which definition';

create unique index on heartbeat.metric_observation (run_id, metric_id, as_of);

create function heartbeat.refuse_change() returns trigger
language plpgsql as $$
begin
    raise exception '%: its rows are never changed or deleted', tg_table_name
        using errcode = 'insufficient_privilege',
              hint = 'It holds what was believed at the time; a later compute or change adds a row.';
end
$$;

create trigger metric_observation_refuse_change
before update or delete or truncate on heartbeat.metric_observation
for each statement execute function heartbeat.refuse_change();

create trigger change_log_refuse_change
before update or delete or truncate on heartbeat.change_log
for each statement execute function heartbeat.refuse_change();

create table heartbeat.metric_signature (
    id bigint generated always as identity primary key,
    metric_id text not null,
    signed_at timestamptz not null default now(),
    signed_by text not null,
    definition jsonb not null,
    definition_hash text not null
);

create index on heartbeat.metric_signature (metric_id, id);

comment on table heartbeat.metric_signature is
    'Every verification: who signed which definition; the last one of a metric counts';

create trigger metric_signature_refuse_change
before update or delete or truncate on heartbeat.metric_signature
for each statement execute function heartbeat.refuse_change();

grant select, insert on heartbeat.metric_signature to heartbeat_operator;
grant update (benchmark_weekday_means, benchmark_at) on heartbeat.metric_registry to heartbeat_benchmark;
grant select on heartbeat.metric_history to heartbeat_benchmark;

create or replace function heartbeat.metric_registry_writer(column_name text) returns text
language sql immutable parallel safe
return case
    when column_name in ('norm_value', 'alert_value', 'target_value', 'target_due_date', 'owner', 'verification_state')
        then 'heartbeat_operator'
    when column_name like 'benchmark\_%' and column_name <> 'benchmark_days'
        then 'heartbeat_benchmark'
    else 'heartbeat_sync'
end;
