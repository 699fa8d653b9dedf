create table heartbeat.watchlist_metric (
    watchlist text not null check (watchlist ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    metric_id text not null,
    primary key (watchlist, metric_id)
);

comment on table heartbeat.watchlist_metric is 'The metrics of each watchlist, the walls /w/{name}';

grant select, insert, delete on heartbeat.watchlist_metric to heartbeat_operator;

create table heartbeat.display (
    name text primary key,
    page text not null,
    build text not null,
    last_good_poll timestamptz not null,
    first_seen timestamptz not null,
    last_seen timestamptz not null
);

comment on table heartbeat.display is 'The screens that show a wall, by the beat that each of them reports';
