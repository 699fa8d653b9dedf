/* ---
code: AMLT
name: AML retrospective cases decided, last 24 hours
short_name: AML cases decided
period: 24h
unit: count
direction: higher_is_better
kind: rolling_stat
benchmark_days: 60
season: weekday
norm_value: 6
alert_value: 3
target_value: 10
owner:
cuts: [aml_backlog_burndown]
description: How many retrospective AML cases were decided in the last 24 hours, by rules or by analysts.
how_to_read: >-
  Screening that stands still is what a regulator fines first. Below the red line only the automatic clearing is alive,
  and every undecided case is a payment that may have to be reported and was not.
methodology: >-
  Cases with decided_at in the window, whatever the verdict and whoever decided. A past day is the whole business day.
notes: >-
  From aml, the only system that knows of cases; webbank holds none of them. Analysts do not work on Sundays. The lines
  are scaled to the demo bank at its default scale of 0.1; at full size they would be 60 and 30.
--- */
-- name: value
select count(*)
from aml_aml.aml_retrospective
where
    decided_at >= heartbeat.as_of() - interval '24 hours'
    and decided_at < heartbeat.as_of()

-- name: history
with decisions as (
    select heartbeat.business_day(decided_at) as d, count(*) as cases
    from aml_aml.aml_retrospective
    where decided_at >= heartbeat.as_of() - interval '92 days'
    group by 1
)
select day.d, coalesce(decisions.cases, 0) as v
from heartbeat.business_days() day
left join decisions on decisions.d = day.d
where not day.is_today
order by day.d
