/* ---
code: AMLD
name: AML retrospective decision time, p90 of the last 7 days
short_name: AML decision, p90
period: 7d
unit: h
direction: lower_is_better
kind: rolling_stat
norm_value: 24
alert_value: 72
target_value: 12
owner:
cuts: [aml_backlog_burndown]
description: Nine in ten of the retrospective AML cases decided in the last 7 days were decided within this time.
how_to_read: >-
  While a case waits, the money in question goes on moving. Beyond three days it is as a rule gone, and what could have
  been frozen becomes the bank's own loss or its regulator's question.
methodology: >-
  From create_at to decided_at in clock hours, for cases decided in the window; the 90th percentile. Cases that are
  still open are not counted: when analysts stop working this number falls and aml_retrospective_backlog rises. A past
  day is the percentile at its end.
notes: From aml, the only system that knows of cases; webbank holds none of them. Nights and Sundays count.
--- */
-- name: value
select
    percentile_cont(0.9) within group (order by extract(epoch from decided_at - create_at) / 3600)
from aml_aml.aml_retrospective
where
    decided_at >= heartbeat.as_of() - interval '168 hours'
    and decided_at < heartbeat.as_of()

-- name: history
select
    day.d,
    percentile_cont(0.9) within group (
        order by extract(epoch from c.decided_at - c.create_at) / 3600
    ) as v
from heartbeat.business_days() day
join aml_aml.aml_retrospective c
    on c.decided_at >= day.closes - interval '168 hours' and c.decided_at < day.closes
where not day.is_today
group by day.d
order by day.d
