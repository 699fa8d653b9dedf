/* ---
code: APRV
name: Applications approved, cohort of the last 30 days
short_name: Applications approved
period: 30d
unit: "%"
direction: higher_is_better
kind: rolling_stat
norm_value: 55
alert_value: 45
target_value: 65
owner:
cuts: [onboarding_funnel, onboarding_time_in_state]
description: Of the applications submitted in the last 30 days that have been decided, the share that was approved.
how_to_read: >-
  Every point below the line is one client in a hundred who was won, paid for by marketing, and lost at the door. Red
  means that a rule or a reviewer turns away clients whose first year's fees the plan counts on.
methodology: >-
  Clients whose SUBMITTED row in the profile state log lies in the last 30 days; 100 x those APPROVED / those APPROVED,
  REJECTED or WITHDRAWN by the moment. Applications still under way are not counted. Declines come within minutes and
  approvals after days, so the youngest part of the cohort lowers the rate a little. A past day is the rate at its end.
notes: An approval is not yet an active client; onboarding_conversion_funnel goes on to that.
--- */
-- name: value
with applications as (
    select
        l.client_profile_id,
        min(l."timestamp") filter (where s.code = 'SUBMITTED') as submitted_at,
        min(l."timestamp") filter (where s.code = 'APPROVED') as approved_at,
        min(l."timestamp") filter (
            where s.code in ('APPROVED', 'REJECTED', 'WITHDRAWN')
        ) as decided_at
    from webbank_core.client_profile_state_log l
    join webbank_dict.profile_state s on s.id = l.profile_state
    group by l.client_profile_id
)
select
    100.0 * count(*) filter (where approved_at < heartbeat.as_of() at time zone 'UTC')
    / nullif(count(*) filter (where decided_at < heartbeat.as_of() at time zone 'UTC'), 0)
from applications
where
    submitted_at >= heartbeat.as_of() at time zone 'UTC' - interval '30 days'
    and submitted_at < heartbeat.as_of() at time zone 'UTC'

-- name: history
with days as materialized (
    select d, closes at time zone 'UTC' as closes
    from heartbeat.business_days()
    where not is_today
),
applications as (
    select
        l.client_profile_id,
        min(l."timestamp") filter (where s.code = 'SUBMITTED') as submitted_at,
        min(l."timestamp") filter (where s.code = 'APPROVED') as approved_at,
        min(l."timestamp") filter (
            where s.code in ('APPROVED', 'REJECTED', 'WITHDRAWN')
        ) as decided_at
    from webbank_core.client_profile_state_log l
    join webbank_dict.profile_state s on s.id = l.profile_state
    group by l.client_profile_id
)
select
    days.d,
    100.0 * count(*) filter (where applications.approved_at < days.closes)
    / nullif(count(*) filter (where applications.decided_at < days.closes), 0) as v
from days
join applications
    on applications.submitted_at >= days.closes - interval '30 days'
    and applications.submitted_at < days.closes
group by days.d
having count(*) filter (where applications.decided_at < days.closes) > 0
order by days.d
