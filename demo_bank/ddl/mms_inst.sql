create schema mms_inst; create table mms_inst.instant_message(id bigint primary key, payment_id bigint, status varchar(16) not null, accepted_at timestamp not null, latency_ms int);
