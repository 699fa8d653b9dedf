/* ---
code: OFUN
name: Onboarding conversion, created to active
short_name: Onboarding conversion
period: funnel
unit: "%"
direction: higher_is_better
kind: threshold
norm_value: 45
alert_value: 35
target_value: 55
owner:
cuts: [onboarding_funnel, cohort_retention]
description: Of the profiles created between 60 and 30 days ago, the share that has become an active client.
how_to_read: >-
  Each point is one in a hundred of all who began. What is spent on winning clients is spent on all of them, so at the
  red line every active client costs half as much again as planned.
methodology: >-
  Clients whose CREATED row in the profile state log is between 60 and 30 days old; 100 x those ACTIVE by the moment /
  all of them. The 30 days give every application time to end, so the number does not move with the queue. A past day is
  the rate at its end.
notes: >-
  A change in the process shows here a month later; onboarding_time_p50_h_30d and application_approval_rate show it
  sooner.
--- */
-- name: value
with journeys as (
    select
        l.client_profile_id,
        min(l."timestamp") filter (where s.code = 'CREATED') as created_at,
        min(l."timestamp") filter (where s.code = 'ACTIVE') as active_at
    from webbank_core.client_profile_state_log l
    join webbank_dict.profile_state s on s.id = l.profile_state
    where s.code in ('CREATED', 'ACTIVE')
    group by l.client_profile_id
)
select
    100.0 * count(*) filter (where active_at < heartbeat.as_of() at time zone 'UTC')
    / nullif(count(*), 0)
from journeys
where
    created_at >= heartbeat.as_of() at time zone 'UTC' - interval '60 days'
    and created_at < heartbeat.as_of() at time zone 'UTC' - interval '30 days'

-- name: history
with days as materialized (
    select d, closes at time zone 'UTC' as closes
    from heartbeat.business_days()
    where not is_today
),
journeys as (
    select
        l.client_profile_id,
        min(l."timestamp") filter (where s.code = 'CREATED') as created_at,
        min(l."timestamp") filter (where s.code = 'ACTIVE') as active_at
    from webbank_core.client_profile_state_log l
    join webbank_dict.profile_state s on s.id = l.profile_state
    where s.code in ('CREATED', 'ACTIVE')
    group by l.client_profile_id
)
select
    days.d,
    100.0 * count(*) filter (where journeys.active_at < days.closes)
    / count(*) as v
from days
join journeys
    on journeys.created_at >= days.closes - interval '60 days'
    and journeys.created_at < days.closes - interval '30 days'
group by days.d
order by days.d
