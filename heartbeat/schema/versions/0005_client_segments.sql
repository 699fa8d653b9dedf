create table heartbeat.client_segment_day (
    d date primary key,
    as_of timestamptz not null,
    computed_at timestamptz not null,
    source_as_of timestamptz,
    run_id text not null
);

comment on table heartbeat.client_segment_day is
    'The business days of which client_segment holds a snapshot, and the moment that each is of';

create table heartbeat.client_segment (
    d date not null references heartbeat.client_segment_day on delete cascade,
    client_id text not null,
    segment text not null,
    primary key (d, client_id)
);

comment on table heartbeat.client_segment is 'The segment of every client on a business day';

grant select on heartbeat.client_segment, heartbeat.client_segment_day to heartbeat_reader;
