create schema bpm; create table bpm.process_instance(id bigint primary key, payment_id bigint, definition varchar(64) not null, started_at timestamp not null, ended_at timestamp);
