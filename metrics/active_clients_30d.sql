/* ---
code: ACTC
name: Active clients, last 30 days
short_name: Active clients
period: 30d
unit: count
direction: higher_is_better
kind: rolling_stat
norm_value: 1000
alert_value: 800
target_value: 1500
owner:
cuts: [client_segments, cohort_retention]
description: How many clients moved money in the last 30 days.
how_to_read: >-
  Each client that falls silent takes its fees along, on average what revenue_per_active_client_30d shows, every month.
  Red means that clients leave faster than new ones come.
methodology: >-
  Distinct clients with a posted PRINCIPAL entry on one of their accounts in the window, money in or out. Fees, interest
  and corrections alone do not make a client active. A past day is the number at its end.
notes: The lines are floors for the demo bank at its default scale of 0.1 and must be set anew for a real one.
--- */
-- name: value
select count(distinct a.client_profile_id)
from webbank_core.entry e
join webbank_core.account a on a.id = e.account_id
join webbank_dict.entry_type t on t.id = e.entry_type_id
join webbank_dict.entry_state s on s.id = e.entry_state_id
where
    t.code = 'PRINCIPAL'
    and s.code = 'POSTED'
    and e.create_time >= heartbeat.as_of() at time zone 'UTC' - interval '30 days'
    and e.create_time < heartbeat.as_of() at time zone 'UTC'

-- name: history
with activity as (
    select distinct a.client_profile_id as client, heartbeat.business_day(e.create_time at time zone 'UTC') as d
    from webbank_core.entry e
    join webbank_core.account a on a.id = e.account_id
    join webbank_dict.entry_type t on t.id = e.entry_type_id
    join webbank_dict.entry_state s on s.id = e.entry_state_id
    where
        t.code = 'PRINCIPAL'
        and s.code = 'POSTED'
        and e.create_time >= (select heartbeat.as_of() at time zone 'UTC') - interval '121 days'
    and e.create_time < (select heartbeat.as_of() at time zone 'UTC')
),
spans as (
    -- a client counts for 30 days from each day of activity, or until the next one
    select d as begins, least(d + 30, lead(d) over (partition by client order by d)) as ends
    from activity
),
changes as (
    select d, sum(clients) as clients
    from (
        select begins as d, 1 as clients
        from spans
        union all
        select ends, -1
        from spans
    ) change
    group by d
),
levels as (
    select day.d, sum(coalesce(changes.clients, 0)) over (order by day.d) as clients
    from heartbeat.business_days(122) day
    left join changes on changes.d = day.d
)
select levels.d, levels.clients as v
from levels
join heartbeat.business_days() day on day.d = levels.d
where not day.is_today
order by levels.d
