create index on heartbeat.table_load_log (run_id);

drop trigger metric_observation_refuse_change on heartbeat.metric_observation;

create trigger metric_observation_refuse_change
before update or truncate on heartbeat.metric_observation
for each statement execute function heartbeat.refuse_change();

create function heartbeat.refuse_early_delete() returns trigger
language plpgsql as $$
begin
    if old.computed_at > now() - interval '90 days' then
        raise exception '%: a row is not deleted before it is 90 days old', tg_table_name
            using errcode = 'insufficient_privilege',
                  hint = 'It holds what was believed at the time; the job hygiene deletes old rows.';
    end if;
    return old;
end
$$;

create trigger metric_observation_refuse_early_delete
before delete on heartbeat.metric_observation
for each row execute function heartbeat.refuse_early_delete();

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
