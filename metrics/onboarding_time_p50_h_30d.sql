/* ---
code: ONBT
name: Onboarding time, median of the last 30 days
short_name: Onboarding time, median
period: 30d
unit: h
direction: lower_is_better
kind: rolling_stat
norm_value: 72
alert_value: 120
target_value: 48
owner:
cuts: [onboarding_time_in_state, onboarding_funnel]
description: Half of the clients activated in the last 30 days waited longer than this from handing in the application.
how_to_read: >-
  A waiting client earns nothing and is still being courted by other banks. Beyond three days applicants begin to
  withdraw, and each one takes along the cost of winning him and his first year's fees.
methodology: >-
  From SUBMITTED to ACTIVE in the profile state log, in clock hours, for clients activated in the window; the median.
  Clients who were declined, withdrew or still wait are not counted. A past day is the median at its end.
notes: >-
  Clock hours, not business hours: nights and Sundays count, because the client waits through them.
--- */
-- name: value
with journeys as (
    select
        l.client_profile_id,
        min(l."timestamp") filter (where s.code = 'ACTIVE') as active_at,
        min(l."timestamp") filter (where s.code = 'SUBMITTED') as submitted_at
    from webbank_core.client_profile_state_log l
    join webbank_dict.profile_state s on s.id = l.profile_state
    where s.code in ('SUBMITTED', 'ACTIVE')
    group by l.client_profile_id
)
select
    percentile_cont(0.5) within group (order by extract(epoch from active_at - submitted_at) / 3600)
from journeys
where
    active_at >= heartbeat.as_of() at time zone 'UTC' - interval '30 days'
    and active_at < heartbeat.as_of() at time zone 'UTC'

-- name: history
with days as materialized (
    select d, closes at time zone 'UTC' as closes
    from heartbeat.business_days()
    where not is_today
),
journeys as (
    select
        l.client_profile_id,
        min(l."timestamp") filter (where s.code = 'ACTIVE') as active_at,
        min(l."timestamp") filter (where s.code = 'SUBMITTED') as submitted_at
    from webbank_core.client_profile_state_log l
    join webbank_dict.profile_state s on s.id = l.profile_state
    where s.code in ('SUBMITTED', 'ACTIVE')
    group by l.client_profile_id
)
select
    days.d,
    percentile_cont(0.5) within group (
        order by extract(epoch from journeys.active_at - journeys.submitted_at) / 3600
    ) as v
from days
join journeys
    on journeys.active_at >= days.closes - interval '30 days'
    and journeys.active_at < days.closes
where journeys.submitted_at is not null
group by days.d
order by days.d
