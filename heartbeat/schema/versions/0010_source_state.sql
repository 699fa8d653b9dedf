alter table heartbeat.table_load add column source_state jsonb;

comment on column heartbeat.table_load.source_state is
    'What the source table and its columns were when the landed rows were read; null means not known, and as now';
