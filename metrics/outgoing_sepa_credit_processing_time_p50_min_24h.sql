/* ---
code: OSEP
name: Outgoing SEPA credit, median processing time, last 24 hours
short_name: SEPA out, median
period: 24h
unit: min
direction: lower_is_better
kind: rolling_stat
norm_value: 60
alert_value: 240
target_value: 30
owner:
cuts: [outgoing_payment_journey, processing_time_distribution]
description: Half of the outgoing SEPA credit transfers executed in the last 24 hours took longer than this.
how_to_read: >-
  A slow rail holds client money that neither side can use. Above the red line payments miss the day's cut-off, which
  costs compensation and interest, and clients with payroll or suppliers to pay move their turnover elsewhere.
methodology: >-
  From CREATED to EXECUTED in the payment state log, in clock minutes, for payments of type SEPA_CREDIT_OUT executed in
  the window; the median. Rejected, cancelled and unfinished payments are not counted; outgoing_stuck_payments has the
  latter. With no executed payment there is no median. A past day is the whole business day.
notes: >-
  The bank's own work and compliance holds together, as webbank sees them, until the workflow system (BPM) is landed
  and the two can be told apart.
--- */
-- name: value
with executions as (
    select l.payment_id, min(l."timestamp") as executed_at
    from webbank_core.payment_state_log l
    join webbank_dict.payment_state s on s.id = l.state_id
    join webbank_core.payment p on p.id = l.payment_id
    join webbank_dict.payment_type t on t.id = p.type_id
    where
        s.code = 'EXECUTED'
        and t.code = 'SEPA_CREDIT_OUT'
        and l."timestamp" > heartbeat.as_of() at time zone 'UTC' - interval '24 hours'
        and l."timestamp" <= heartbeat.as_of() at time zone 'UTC'
    group by l.payment_id
),
journeys as (
    select e.executed_at, min(l."timestamp") as created_at
    from executions e
    join webbank_core.payment_state_log l on l.payment_id = e.payment_id
    join webbank_dict.payment_state s on s.id = l.state_id
    where s.code = 'CREATED'
    group by e.payment_id, e.executed_at
)
select
    percentile_cont(0.5) within group (
        order by extract(epoch from executed_at - created_at)::float8 / 60
    )::numeric
from journeys

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
journeys as (
    select
        min(l."timestamp") filter (where s.code = 'CREATED') as created_at,
        min(l."timestamp") filter (where s.code = 'EXECUTED') as t
    from webbank_core.payment_state_log l
    join webbank_dict.payment_state s on s.id = l.state_id
    join webbank_core.payment p on p.id = l.payment_id
    join webbank_dict.payment_type t on t.id = p.type_id
    where t.code = 'SEPA_CREDIT_OUT'
    group by l.payment_id
),
recent as (
    select
        journeys.*,
        (journeys.t at time zone 'UTC' at time zone heartbeat.business_timezone())::date as day,
        journeys.t > today.now_utc - interval '24 hours' as is_of_last_24_hours
    from journeys
    cross join today
    where journeys.t > today.now_utc - interval '92 days' and journeys.t <= today.now_utc
),
counted as (
    -- a past day is whole; today is the last 24 hours
    select recent.day as d, recent.t, recent.created_at
    from recent
    cross join today
    where recent.day < today.d
    union all
    select today.d, recent.t, recent.created_at
    from recent
    cross join today
    where recent.is_of_last_24_hours
)
select
    days.d,
    percentile_cont(0.5) within group (
        order by extract(epoch from counted.t - counted.created_at)::float8 / 60
    )::numeric as v
from days
left join counted on counted.d = days.d
group by days.d
order by days.d
