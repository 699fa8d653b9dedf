create table heartbeat.source_drift (
    schema_name text not null,
    table_name text not null,
    column_name text not null default '',
    kind text not null check (kind in ('gone', 'retyped', 'unlanded')),
    change text not null,
    message text not null,
    since timestamptz not null,
    accepted boolean not null default false,
    primary key (schema_name, table_name, column_name)
);

comment on table heartbeat.source_drift is
    'Landed tables and columns that no longer are what their source has: nothing may be computed from them';
comment on column heartbeat.source_drift.column_name is 'Empty where it is the whole table';
comment on column heartbeat.source_drift.change is 'What happened; for as long as it is the same, message and since stay';
comment on column heartbeat.source_drift.since is 'The load, or the look at the source files, that first saw it';

comment on column heartbeat.source_drift.accepted is
    'Whether the catalog of the source has been written without it since: then it is no news any more';

-- The database refuses what has drifted, so that no parser has to know who reads it.
create or replace procedure heartbeat.open_to_readers(landed_schema text, landed_tables text[])
language plpgsql as $$
declare
    landed record;
begin
    if to_regnamespace(quote_ident(landed_schema)) is null then
        return;
    end if;
    if not has_schema_privilege('heartbeat_reader', landed_schema, 'usage') then
        execute format('grant usage on schema %I to heartbeat_reader', landed_schema);
    end if;
    for landed in
        select
            c.oid::regclass as name,
            bool_or(drift.column_name = '') as is_closed,
            has_table_privilege('heartbeat_reader', c.oid, 'select') as reads_all,
            string_agg(quote_ident(a.attname), ', ') filter (where drift.column_name is null) as open_columns,
            bool_or(
                has_column_privilege('heartbeat_reader', c.oid, a.attnum, 'select') <> (drift.column_name is null)
            ) as differs,
            bool_or(drift.column_name is not null) as has_drifted
        from pg_catalog.pg_class c
        left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        left join heartbeat.source_drift drift
            on drift.schema_name = landed_schema
            and drift.table_name = c.relname
            and drift.column_name in ('', a.attname)
        where c.relnamespace = to_regnamespace(quote_ident(landed_schema))
          and c.relname = any (landed_tables)
          and c.relkind = 'r'
        group by c.oid
    loop
        if landed.has_drifted and (landed.differs or landed.reads_all) then
            execute format('revoke select on %s from heartbeat_reader', landed.name);
            if not landed.is_closed and landed.open_columns is not null then
                execute format('grant select (%s) on %s to heartbeat_reader', landed.open_columns, landed.name);
            end if;
        elsif not landed.has_drifted and not landed.reads_all then
            execute format('grant select on %s to heartbeat_reader', landed.name);
        end if;
    end loop;
end
$$;

comment on procedure heartbeat.open_to_readers(text, text[]) is
    'Lets heartbeat_reader read landed tables of a schema, without what has drifted; changes only what is not so yet';

-- what earlier versions wrote into comments only
insert into heartbeat.source_drift (schema_name, table_name, column_name, kind, change, message, since, accepted)
select n.nspname, c.relname, a.attname, 'gone', 'is gone',
       format('%s.%s.%s is gone; renamed?', n.nspname, c.relname, a.attname), now(), true
from pg_catalog.pg_description d
join pg_catalog.pg_class c on c.oid = d.objoid and d.classoid = 'pg_catalog.pg_class'::regclass
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = d.objsubid and not a.attisdropped
join heartbeat.table_load load on load.schema_name = n.nspname and load.table_name = c.relname
where d.objsubid > 0 and d.description like 'Not in the source any more; found so on%';

do $$
declare
    landed record;
begin
    for landed in
        select schema_name, array_agg(distinct table_name) as tables from heartbeat.source_drift group by schema_name
    loop
        call heartbeat.open_to_readers(landed.schema_name, landed.tables);
    end loop;
end
$$;

alter table heartbeat.audit_cut_registry add column words text[] not null default '{}';

comment on column heartbeat.audit_cut_registry.words is
    'The words in the texts of its code: a column that has drifted since the last picture concerns the cut when it is one of them';

create table heartbeat.client_segment_failure (
    failed_at timestamptz not null,
    error text not null,
    run_id text not null
);

create unique index on heartbeat.client_segment_failure ((true));

comment on table heartbeat.client_segment_failure is
    'Why the last compute of the client segments failed: one row, none after one that succeeded';
