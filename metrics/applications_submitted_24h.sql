/* ---
code: APPL
name: Applications submitted, last 24 hours
short_name: Applications submitted
period: 24h
unit: count
direction: higher_is_better
kind: rolling_stat
benchmark_days: 60
season: weekday
norm_value: 2.5
alert_value: 1
target_value: 4
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
  Counted from webbank, the source of truth; the legacy verification system differs by about 12 %. The lines are scaled
  to the demo bank at its default scale of 0.1; at full size they would be 25, 10 and a target of 40.
--- */
-- name: value
select count(distinct l.client_profile_id)
from webbank_core.client_profile_state_log l
join webbank_dict.profile_state s on s.id = l.profile_state
where
    s.code = 'SUBMITTED'
    and l."timestamp" >= heartbeat.as_of() at time zone 'UTC' - interval '24 hours'
    and l."timestamp" < heartbeat.as_of() at time zone 'UTC'

-- name: history
with submissions as (
    select heartbeat.business_day(l."timestamp" at time zone 'UTC') as d, count(distinct l.client_profile_id) as clients
    from webbank_core.client_profile_state_log l
    join webbank_dict.profile_state s on s.id = l.profile_state
    where s.code = 'SUBMITTED' and l."timestamp" >= (select heartbeat.as_of() at time zone 'UTC') - interval '92 days'
    group by 1
)
select day.d, coalesce(submissions.clients, 0) as v
from heartbeat.business_days() day
left join submissions on submissions.d = day.d
where not day.is_today
order by day.d
