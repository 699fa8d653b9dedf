/* ---
code: HBQW
name: Wait of the oldest queued run
short_name: Oldest queued run
period: snapshot
unit: min
direction: lower_is_better
kind: threshold
norm_value: 15
alert_value: 60
description: >
  How long the run that was queued first has been waiting in Dagster's queue; 0 while no run waits.
how_to_read: >
  Red: something holds the queue, and whoever pressed a button, and the next hourly refresh, get no new numbers; a decision
  taken on them costs what it costs. The runbook "Runs wait in the queue" says what to do.
methodology: >
  The API looks at the queue every 30 seconds. Where nobody has been able to look for more than 5 minutes, it is the time
  since then: a queue that nobody sees is not taken for an empty one. Where no API has ever seen a queue, it is 0.
--- */
-- name: value
select coalesce(
    (
        select round(
            greatest(
                extract(epoch from heartbeat.as_of() - oldest_queued_at),
                case
                    when seen_at < heartbeat.as_of() - interval '5 minutes'
                    then extract(epoch from heartbeat.as_of() - seen_at)
                end,
                0
            ) / 60
        )
        from heartbeat.platform_queue
    ),
    0
)
