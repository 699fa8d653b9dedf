-- Simulated cluster A, database currency-rate. [given] marks names that the real system has: keep them verbatim.
create schema rate; create table rate.rate(id bigint primary key, base char(3) not null, quote char(3) not null, rate numeric(18,8) not null, provider varchar(16) not null, rate_time timestamp not null, create_time timestamp not null);
