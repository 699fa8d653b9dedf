create schema core; create type core.vop_result as enum('MATCH','CLOSE_MATCH','NO_MATCH','NOT_POSSIBLE');
create table core.payee_verification(id bigint primary key, payment_id bigint, iban varchar(34), result core.vop_result not null, latency_ms int, create_time timestamp not null, update_time timestamp not null);
