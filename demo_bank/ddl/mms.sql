create schema mms; create table mms.sepa_message(id bigint primary key, payment_id bigint, message_type varchar(16) not null, status varchar(16) not null, sent_at timestamp not null);
