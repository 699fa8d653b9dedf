/* ---
code: APPL
name: Applications submitted, last 24 hours
short_name: Applications submitted
period: 24h
unit: count
direction: higher_is_better
kind: rolling_stat
norm_value: 2
alert_value: 1
target_value: 8
owner:
cuts: [onboarding_funnel]
description: How many clients handed in their application for an account in the last 24 hours.
how_to_read: >-
  Each application that does not come is a client that is not won. A red day is most often a broken form or a stopped
  campaign, and every day of it costs the first year's fees of the clients that would have been approved.
methodology: >-
  Clients with a SUBMITTED row in the profile state log in the window, each counted once. Drafts that were never handed
  in are not counted. A past day is the whole business day.
notes: >-
  Counted from webbank, the source of truth; vss.applicant_log differs from it by about 12 %. The lines are scaled to
  the small demo bank of 300 clients, where about six applications come a day and fewer at the weekend; at full size
  they would be 25, 10 and a target of 40.
--- */
-- name: value
select count(distinct l.client_profile_id)
from webbank_core.client_profile_state_log l
join webbank_dict.profile_state s on s.id = l.profile_state
where
    s.code = 'SUBMITTED'
    and l."timestamp" > heartbeat.as_of() at time zone 'UTC' - interval '24 hours'
    and l."timestamp" <= heartbeat.as_of() at time zone 'UTC'

-- name: history
with today as (
    select
        (heartbeat.as_of() at time zone heartbeat.business_timezone())::date as d,
        heartbeat.as_of() at time zone 'UTC' as now_utc
),
days as (
    select today.d - n as d
    from today
    cross join generate_series(0, 89) as n
),
submissions as (
    select l.client_profile_id, l."timestamp" as t
    from webbank_core.client_profile_state_log l
    join webbank_dict.profile_state s on s.id = l.profile_state
    where s.code = 'SUBMITTED'
),
recent as (
    select
        submissions.*,
        (submissions.t at time zone 'UTC' at time zone heartbeat.business_timezone())::date as day,
        submissions.t > today.now_utc - interval '24 hours' as is_of_last_24_hours
    from submissions
    cross join today
    where submissions.t > today.now_utc - interval '92 days' and submissions.t <= today.now_utc
),
counted as (
    -- a past day is whole; today is the last 24 hours
    select recent.day as d, recent.client_profile_id
    from recent
    cross join today
    where recent.day < today.d
    union all
    select today.d, recent.client_profile_id
    from recent
    cross join today
    where recent.is_of_last_24_hours
)
select days.d, count(distinct counted.client_profile_id)::numeric as v
from days
left join counted on counted.d = days.d
group by days.d
order by days.d
