create schema vss; create table vss.applicant_log(id bigint primary key, applicant_id uuid not null, state varchar(24) not null, create_time timestamp not null);  -- [given]
create table vss.client_verification(id bigint primary key, client_profile_id bigint, result varchar(16), create_time timestamp not null, update_time timestamp not null);
create schema dict; create table dict.applicant_state(code varchar(24) primary key, is_terminal boolean not null);
insert into dict.applicant_state values ('NEW',false),('VERIFIED',true),('DECLINED',true);
