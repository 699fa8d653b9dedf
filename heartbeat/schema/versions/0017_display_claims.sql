-- a name of a screen belongs to the browser that reports it
alter table heartbeat.display add column claim text;

comment on column heartbeat.display.claim is
    'A digest of the cookie of the browser that reports under this name; none in a row from before there was one';
