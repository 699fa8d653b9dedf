/* ---
code: AMLB
name: AML retrospective cases open for more than 24 hours
short_name: AML backlog
period: snapshot
unit: count
direction: lower_is_better
kind: threshold
norm_value: 5
alert_value: 15
target_value: 1
owner:
cuts: [aml_backlog_burndown]
description: How many retrospective AML cases have waited longer than 24 hours for a decision.
how_to_read: >-
  Each open case is a client or payment that the bank keeps serving without knowing whether it may. At red the reporting
  deadlines are at risk; a fine for one missed report is larger than a year of the team's salaries.
methodology: >-
  Cases created more than 24 hours before the moment and not decided by then. History shows the largest number at any
  moment of a past day.
notes: >-
  From aml, the only system that knows of cases; webbank holds none of them. A decision leaves create_at unchanged, so
  the table is landed with reconcile. The lines are scaled to the demo bank at its default scale of 0.1; at full size
  they would be 50, 150 and a target of 10.
--- */
-- name: value
select count(*)
from aml_aml.aml_retrospective
where
    create_at < heartbeat.as_of() - interval '24 hours'
    and (decided_at is null or decided_at >= heartbeat.as_of())

-- name: history
with waiting as (
    select create_at + interval '24 hours' as since, decided_at
    from aml_aml.aml_retrospective
    where
        create_at < heartbeat.as_of() - interval '24 hours'
        and (decided_at is null or decided_at > create_at + interval '24 hours')
),
changes as (
    select since as t, 1 as delta
    from waiting
    union all
    select decided_at, -1
    from waiting
    where decided_at is not null
),
counts as (
    select
        t,
        lead(t, 1, 'infinity') over (order by t) as until,
        sum(sum(delta)) over (order by t) as number
    from changes
    group by t
)
select day.d, coalesce(max(counts.number), 0) as v
from heartbeat.business_days() day
left join counts
    on counts.t < day.closes and counts.until > day.opens
where not day.is_today
group by day.d
order by day.d
