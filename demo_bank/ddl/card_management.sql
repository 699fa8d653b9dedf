create schema card; create table card.card(id bigint primary key, client_profile_id bigint, pan_mask varchar(19), product varchar(16), card_state_id smallint, issued_at timestamp not null, activated_at timestamp, update_time timestamp not null);
create table card.card_state_log(id bigint primary key, card_id bigint, card_state_id smallint, "timestamp" timestamp not null);
create schema dict; create table dict.card_state(id smallint primary key, code varchar(16) not null);
insert into dict.card_state values (1,'ISSUED'),(2,'ACTIVE'),(3,'BLOCKED'),(4,'CLOSED');
-- this database is a copy: what the replication has applied so far
create schema replication; create table replication.progress(id smallint primary key, replayed_until timestamptz not null);
