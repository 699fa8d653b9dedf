create schema notification; create table notification.message(id bigint primary key, client_profile_id bigint, channel varchar(16) not null, status varchar(16) not null, sent_at timestamp not null);
