create schema mss_kart; create table mss_kart.authorization_log(id bigint primary key, card_id bigint, amount numeric(19,4) not null, approved boolean not null, authorized_at timestamp not null);
