/* ---
code: ONBQ
name: Onboarding review, age in the queue (p90)
short_name: Review queue, p90 age
period: snapshot
unit: h
direction: lower_is_better
kind: threshold
norm_value: 48
alert_value: 120
target_value: 24
owner:
cuts: [onboarding_time_in_state]
description: Nine in ten of the applicants now in review have been in their present step for less than this.
how_to_read: >-
  What lies here is signed-up business that waits for a person. Above the red line the oldest applicants have waited a
  working week in one step; most of them leave, with the balances they meant to bring.
methodology: >-
  Clients whose last state in the profile state log is KYC_IN_PROGRESS or AML_REVIEW; the hours since they entered it;
  the 90th percentile, 0 when nobody is there. Applicants asked for documents wait for themselves and are not counted.
  History shows the largest of the 24 full hours of a past day.
notes: >-
  The 90th percentile and not the maximum: one forgotten case would hide whether the queue moves.
--- */
-- name: value
with steps as (
    select distinct on (client_profile_id) profile_state, "timestamp" as entered_at
    from webbank_core.client_profile_state_log
    where "timestamp" < heartbeat.as_of() at time zone 'UTC'
    order by client_profile_id, "timestamp" desc, id desc
)
select
    coalesce(
        percentile_cont(0.9) within group (
            order by extract(epoch from heartbeat.as_of() at time zone 'UTC' - steps.entered_at) / 3600
        ),
        0
    )
from steps
join webbank_dict.profile_state s on s.id = steps.profile_state
where s.code in ('KYC_IN_PROGRESS', 'AML_REVIEW')

-- name: history
with stays as (
    select
        profile_state,
        "timestamp" as entered_at,
        lead("timestamp", 1, heartbeat.as_of() at time zone 'UTC') over (
            partition by client_profile_id order by "timestamp", id
        ) as left_at
    from webbank_core.client_profile_state_log
    where "timestamp" < (select heartbeat.as_of() at time zone 'UTC')
),
seen as (
    -- everybody who is in review, on each full hour of the business clock
    select
        stays.entered_at,
        generate_series(
            greatest(
                date_trunc('hour', stays.entered_at at time zone 'UTC', zone.name) at time zone 'UTC' + interval '1 hour',
                date_trunc('hour', heartbeat.as_of() - interval '92 days', zone.name) at time zone 'UTC'
            ),
            stays.left_at,
            interval '1 hour'
        ) as hour
    from stays
    join webbank_dict.profile_state s on s.id = stays.profile_state
    cross join (select heartbeat.business_timezone() as name) as zone
    where s.code in ('KYC_IN_PROGRESS', 'AML_REVIEW')
),
ages as (
    select
        hour,
        percentile_cont(0.9) within group (
            order by extract(epoch from hour - entered_at) / 3600
        ) as p90
    from seen
    group by hour
),
worst as (
    -- midnight ends the day before it
    select heartbeat.business_day((hour - interval '1 hour') at time zone 'UTC') as d, max(p90) as age
    from ages
    group by 1
)
select day.d, coalesce(worst.age, 0) as v
from heartbeat.business_days() day
left join worst on worst.d = day.d
where not day.is_today
order by day.d
