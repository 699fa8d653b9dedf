-- Databases were made before migration 0004 had these; 0009 cannot do without the function.
create function heartbeat.tell_change() returns trigger
language plpgsql as $$
begin
    notify heartbeat_changed;
    return null;
end
$$;

create trigger metric_history_tell_change
after insert or update on heartbeat.metric_history
for each statement execute function heartbeat.tell_change();
