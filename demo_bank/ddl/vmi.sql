create schema vmi; create table vmi.declaration(id bigint primary key, client_profile_id bigint, period char(7) not null, sent_at timestamp not null);
