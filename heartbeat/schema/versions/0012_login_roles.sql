-- The roles themselves are of the server and made before any migration: heartbeat/sql/logins.sql.
grant usage on schema heartbeat
    to heartbeat_ingest, heartbeat_compute, heartbeat_reader, heartbeat_api, heartbeat_operator, heartbeat_sync, heartbeat_benchmark,
    heartbeat_dagster;

-- ingest: the ledger, what has drifted, the registry of cuts, and the removal of what is old
grant insert, update, delete on heartbeat.table_load, heartbeat.source_drift to heartbeat_ingest;
grant insert, delete on heartbeat.table_load_log to heartbeat_ingest;
grant delete on heartbeat.audit_cut_registry to heartbeat_ingest;
grant
    insert (
        cut_id, page, place, title, prose, windows, window_default, reads, metrics, methodology, how_to_read,
        definition_hash, words
    ),
    update (
        page, place, title, prose, windows, window_default, reads, metrics, methodology, how_to_read, definition_hash, words
    )
on heartbeat.audit_cut_registry to heartbeat_ingest;
grant delete on heartbeat.metric_observation, heartbeat.display to heartbeat_ingest;

-- compute: what metrics, segments and cuts gave
grant insert, update on heartbeat.metric_history, heartbeat.metric_backfill to heartbeat_compute;
grant insert on heartbeat.metric_observation to heartbeat_compute;
grant insert, update, delete
    on heartbeat.client_segment_day, heartbeat.client_segment, heartbeat.client_segment_failure to heartbeat_compute;
grant insert, update on heartbeat.audit_cut_snapshot to heartbeat_compute;
grant insert, update, delete on heartbeat.chart_runtime to heartbeat_compute;

-- API: which screens show what
grant insert, update, delete on heartbeat.display to heartbeat_api;

-- it reads a table that its caller may not, so nothing of the caller's may stand between
alter function heartbeat.source_as_of(text[]) set search_path = pg_catalog, pg_temp;

-- Of other sessions a login sees who they are, and not since when they keep others waiting.
create function heartbeat.open_transactions() returns table (pid integer, since timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select pid, xact_start from pg_catalog.pg_stat_activity;
end;

comment on function heartbeat.open_transactions() is 'Since when each session of the server has had its transaction open';

revoke execute on function heartbeat.open_transactions() from public;
grant execute on function heartbeat.open_transactions() to heartbeat_ingest, heartbeat_compute;

-- Who computes holds a landed table whole, whatever its readers may see of it.
create or replace procedure heartbeat.open_to_readers(landed_schema text, landed_tables text[])
language plpgsql as $$
declare
    landed record;
    opened text;
begin
    if to_regnamespace(quote_ident(landed_schema)) is null then
        return;
    end if;
    foreach opened in array array['heartbeat_reader', 'heartbeat_compute']
    loop
        if not has_schema_privilege(opened, landed_schema, 'usage') then
            execute format('grant usage on schema %I to %I', landed_schema, opened);
        end if;
    end loop;
    for landed in
        select
            c.oid::regclass as name,
            bool_or(drift.column_name = '') as is_closed,
            has_table_privilege('heartbeat_reader', c.oid, 'select') as reads_all,
            exists (
                select
                from pg_catalog.aclexplode(c.relacl) as acl
                where acl.grantee = 'heartbeat_compute'::regrole and acl.privilege_type = 'SELECT'
            ) as can_be_held,
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
        -- of its own: what it has through the readers goes when they lose it
        if not landed.can_be_held then
            execute format('grant select on %s to heartbeat_compute', landed.name);
        end if;
    end loop;
end
$$;

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
