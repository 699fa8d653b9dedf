alter table heartbeat.audit_cut_registry
    add column place integer not null default 100,
    add column metrics text[] not null default '{}',
    add column definition_hash text,
    add column verified_hash text;

comment on column heartbeat.audit_cut_registry.place is 'Its place on its page: the smallest comes first';
comment on column heartbeat.audit_cut_registry.metrics is
    'Metrics that the cut explains by its own word; those whose files name the cut are not repeated here';

comment on column heartbeat.audit_cut_registry.definition_hash is
    'Of the code of the cut as the last sync found it, comments and layout left out';
comment on column heartbeat.audit_cut_registry.verified_hash is
    'The definition_hash that was verified; a verification lapses when they differ';

-- json keeps the order of the columns of the table behind a picture
alter table heartbeat.audit_cut_snapshot
    alter column payload type json,
    add column png bytea,
    add column empty_reads text[] not null default '{}';

comment on column heartbeat.audit_cut_snapshot.png is 'The picture on white paper, at twice its size';

comment on column heartbeat.audit_cut_snapshot.empty_reads is
    'The tables that had no row at the last good compute; when another one has none, that picture stays';

grant select on heartbeat.audit_cut_registry to heartbeat_operator;
grant update (owner, verification_state, verified_hash) on heartbeat.audit_cut_registry to heartbeat_operator;
create table heartbeat.chart_runtime (
    version text primary key,
    javascript bytea not null
);

comment on table heartbeat.chart_runtime is
    'The libraries that draw the stored specs in a browser, compressed with gzip: one row, of the version that made them';

grant select on heartbeat.table_load_log to heartbeat_reader;

create or replace function heartbeat.source_as_of(reads text[]) returns timestamptz
language sql stable parallel safe security definer
begin atomic
    select case when count(known.polled_at) = count(*) then min(known.polled_at) end
    from unnest(reads) as read (name)
    left join (
        select load.schema_name || '.' || load.table_name as name, load.polled_at
        from heartbeat.table_load as load
        union all
        (
            select own.name, day.source_as_of
            from unnest(array['heartbeat.client_segment', 'heartbeat.client_segment_day']) as own (name)
            cross join (select source_as_of from heartbeat.client_segment_day order by d desc limit 1) as day
        )
        union all
        select 'heartbeat.table_load_log', heartbeat.as_of()
    ) as known on known.name = read.name;
end;

comment on function heartbeat.source_as_of(text[]) is
    'The oldest poll among tables given as schema.table, null as soon as one was never landed. Of the client segments it is
that of their last day; what Heartbeat logs of its own loads is as of now';
