alter table heartbeat.table_load
    add column rows_sent bigint,
    add column bytes_sent bigint,
    add column seconds double precision,
    add column digest text,
    add column columns jsonb,
    add column resume_after text[],
    add column resume_since text;

comment on column heartbeat.table_load.rows_sent is
    'Rows that the last good load read in the source';
comment on column heartbeat.table_load.bytes_sent is
    'Bytes that the last good load read in the source';
comment on column heartbeat.table_load.seconds is
    'Seconds that the last good load took, reading and writing';
comment on column heartbeat.table_load.digest is
    'Of what the last good load read and of the table that it wrote; a load that finds both again writes nothing';
comment on column heartbeat.table_load.columns is
    'The columns, with their types, whose values all rows have; a load that finds others in the source reads all rows';
comment on column heartbeat.table_load.resume_after is
    'Of a first load in ranges: the key, or the cursor, up to which rows are landed';
comment on column heartbeat.table_load.resume_since is
    'Of a first load in ranges: the cursor from which its last step reads what changed meanwhile';

alter table heartbeat.table_load_log
    add column seconds double precision;
