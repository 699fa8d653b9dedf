alter table heartbeat.table_load
    add column source_name text,
    add column began_at timestamptz,
    add column ended_at timestamptz,
    add column dropped_at timestamptz;

comment on column heartbeat.table_load.source_name is 'The source whose landing lands it';
comment on column heartbeat.table_load.began_at is
    'When the landing began that is to attempt it, or attempted it last';
comment on column heartbeat.table_load.ended_at is
    'When the last attempt ended, well or not; an attempt that began later has not ended';
comment on column heartbeat.table_load.dropped_at is
    'Since when no source of the project lands it; null while one does';

-- whatever the cockpit reads once for all its readers says when it changes
create trigger table_load_tell_change
after insert or update or delete on heartbeat.table_load
for each statement execute function heartbeat.tell_change();

create trigger metric_registry_tell_change
after insert or update or delete on heartbeat.metric_registry
for each statement execute function heartbeat.tell_change();

create trigger audit_cut_registry_tell_change
after insert or update or delete on heartbeat.audit_cut_registry
for each statement execute function heartbeat.tell_change();

create trigger watchlist_metric_tell_change
after insert or update or delete on heartbeat.watchlist_metric
for each statement execute function heartbeat.tell_change();
