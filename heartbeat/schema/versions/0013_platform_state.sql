create table heartbeat.run_queue (
    only_row boolean primary key default true check (only_row),
    queued integer not null,
    oldest_queued_at timestamptz,
    seen_at timestamptz not null
);

comment on table heartbeat.run_queue is 'Dagster''s queue of runs as an API process saw it last; one row';
comment on column heartbeat.run_queue.seen_at is 'When Dagster''s webserver last answered; the queue is not known since';

create table heartbeat.disk_space (
    machine text primary key,
    free_bytes bigint not null,
    size_bytes bigint not null,
    seen_at timestamptz not null
);

comment on table heartbeat.disk_space is 'The disk of the state folder of each machine that runs Heartbeat, as it was seen last';

create table heartbeat.refresh_disk (
    run_id text not null,
    machine text not null,
    began_at timestamptz not null,
    ended_at timestamptz not null,
    free_before bigint not null,
    free_lowest bigint not null,
    free_after bigint not null,
    database_before bigint not null,
    database_after bigint not null,
    primary key (run_id, machine)
);
create index on heartbeat.refresh_disk (ended_at);

comment on table heartbeat.refresh_disk is
    'What each landing took of the disk of its state folder, and by how much the marts database grew, in bytes';
comment on column heartbeat.refresh_disk.free_lowest is 'The least that was free while it landed';

-- the state of the platform as its own metrics read it, without the texts of errors and without addresses
create view heartbeat.platform_refresh as
select nullif(
           percentile_disc(0.5) within group (order by coalesce(last_day.computed_at, '-infinity')),
           '-infinity'
       ) as refreshed_at
  from heartbeat.metric_registry as registry
  left join lateral (
        select error, computed_at
          from heartbeat.metric_history as history
         where history.metric_id = registry.metric_id
         order by d desc
         limit 1
       ) as last_day on true
 where last_day.error is null;

comment on view heartbeat.platform_refresh is
    'When half of the metrics that can be computed, or more, were computed last: the last good refresh; null before the first';

create view heartbeat.platform_queue as
select queued, oldest_queued_at, seen_at
  from heartbeat.run_queue;

comment on view heartbeat.platform_queue is 'Dagster''s queue of runs as it was seen last; no row before the first look';

create view heartbeat.platform_table as
select schema_name || '.' || table_name as table_name, source_name, error is not null as failed, polled_at
  from heartbeat.table_load
 where dropped_at is null;

comment on view heartbeat.platform_table is 'The tables that the sources land, and whether the last attempt failed';

create view heartbeat.platform_disk as
select disk.machine, disk.free_bytes, disk.size_bytes, disk.seen_at, needed.bytes as refresh_bytes
  from heartbeat.disk_space as disk
  left join lateral (
        select max(took.free_before - took.free_lowest) as bytes
          from heartbeat.refresh_disk as took
         where took.machine = disk.machine
           and took.ended_at > (select max(ended_at) from heartbeat.refresh_disk) - interval '26 hours'
       ) as needed on true
 -- a machine that is gone has no disk to run full
 where disk.seen_at > (select max(seen_at) from heartbeat.disk_space) - interval '1 day';

comment on view heartbeat.platform_disk is
    'The disk of each state folder, and the most that one refresh took of it within a day, the nightly one among them';

create view heartbeat.platform_screen as
select name, page, first_seen, last_seen
  from heartbeat.display;

comment on view heartbeat.platform_screen is 'The screens that show a wall, or have shown one';

grant select on heartbeat.platform_refresh, heartbeat.platform_queue, heartbeat.platform_table,
    heartbeat.platform_disk, heartbeat.platform_screen to heartbeat_reader;

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
        select own.name, heartbeat.as_of()
        from unnest(array[
            'heartbeat.table_load_log', 'heartbeat.platform_refresh', 'heartbeat.platform_table',
            'heartbeat.platform_screen'
        ]) as own (name)
        union all
        select 'heartbeat.platform_queue', coalesce((select seen_at from heartbeat.run_queue), heartbeat.as_of())
        union all
        select 'heartbeat.platform_disk', (select max(seen_at) from heartbeat.disk_space)
    ) as known on known.name = read.name;
end;

comment on function heartbeat.source_as_of(text[]) is
    'The oldest poll among tables given as schema.table, null as soon as one was never landed. Of the client segments it is
that of their last day; of the run queue and the disks when they were seen last; what Heartbeat logs of itself is as of now';

-- each process has a login of its own where a migration before this one has made them
do $$
begin
    if exists (select from pg_catalog.pg_roles where rolname = 'heartbeat_api') then
        grant select on heartbeat.run_queue, heartbeat.disk_space, heartbeat.refresh_disk, heartbeat.platform_refresh,
            heartbeat.platform_queue, heartbeat.platform_table, heartbeat.platform_disk, heartbeat.platform_screen
            to heartbeat_api;
        grant insert, update on heartbeat.run_queue, heartbeat.disk_space to heartbeat_api;
    end if;
    if exists (select from pg_catalog.pg_roles where rolname = 'heartbeat_ingest') then
        grant select, insert, update, delete on heartbeat.refresh_disk, heartbeat.disk_space to heartbeat_ingest;
    end if;
    if exists (select from pg_catalog.pg_roles where rolname = 'heartbeat_compute') then
        grant select, insert, update on heartbeat.disk_space to heartbeat_compute;
        grant select on heartbeat.platform_refresh, heartbeat.platform_queue, heartbeat.platform_table,
            heartbeat.platform_disk, heartbeat.platform_screen to heartbeat_compute;
    end if;
end
$$;

-- to replace a function takes back what was set for it: it reads a table that its caller may not
alter function heartbeat.source_as_of(text[]) set search_path = pg_catalog, pg_temp;
