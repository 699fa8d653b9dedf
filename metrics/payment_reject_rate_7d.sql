/* ---
code: REJR
name: Payments rejected, last 7 days
short_name: Payments rejected
period: 7d
unit: "%"
direction: lower_is_better
kind: rolling_stat
norm_value: 3
alert_value: 6
target_value: 1.5
owner:
cuts: [rejection_reasons, payment_outcomes]
description: Of the outgoing SWIFT, book and card payments of the last 7 days, the share that was rejected.
how_to_read: >-
  A rejected payment costs its fee, a call and some trust; a rejected salary run costs the client. At the red line one
  payment in seventeen fails, and merchants and correspondents begin to look for the cause at this bank.
methodology: >-
  Payments with direction OUT on the rails SWIFT, BOOK and CARD created in the window; 100 x those REJECTED in the
  payment state log by the moment / all of them. Cancellations by the client are not rejections. Payments still under
  way count as not rejected. A past day is the rate at its end.
notes: >-
  SEPA and SEPA Instant are left out: their rejections are decided in the clearing systems, which are not landed.
--- */
-- name: value
with rejections as (
    select l.payment_id, min(l."timestamp") as rejected_at
    from webbank_core.payment_state_log l
    join webbank_dict.payment_state s on s.id = l.state_id
    where
        s.code = 'REJECTED'
        and l."timestamp" >= heartbeat.as_of() at time zone 'UTC' - interval '7 days'
        and l."timestamp" < heartbeat.as_of() at time zone 'UTC'
    group by l.payment_id
)
select 100.0 * count(rejections.payment_id) / nullif(count(*), 0)
from webbank_core.payment p
join webbank_dict.payment_type t on t.id = p.type_id
left join rejections on rejections.payment_id = p.id
where
    t.direction = 'OUT'
    and t.rail in ('SWIFT', 'BOOK', 'CARD')
    and p.create_time >= heartbeat.as_of() at time zone 'UTC' - interval '7 days'
    and p.create_time < heartbeat.as_of() at time zone 'UTC'

-- name: history
with days as materialized (
    select d, closes at time zone 'UTC' as closes
    from heartbeat.business_days()
    where not is_today
),
rejections as (
    select l.payment_id, min(l."timestamp") as rejected_at
    from webbank_core.payment_state_log l
    join webbank_dict.payment_state s on s.id = l.state_id
    where s.code = 'REJECTED' and l."timestamp" >= (select heartbeat.as_of() at time zone 'UTC') - interval '99 days'
    group by l.payment_id
),
payments as (
    select p.create_time, rejections.rejected_at
    from webbank_core.payment p
    join webbank_dict.payment_type t on t.id = p.type_id
    left join rejections on rejections.payment_id = p.id
    where
        t.direction = 'OUT'
        and t.rail in ('SWIFT', 'BOOK', 'CARD')
        and p.create_time >= (select heartbeat.as_of() at time zone 'UTC') - interval '99 days'
)
select
    days.d,
    100.0 * count(*) filter (where payments.rejected_at < days.closes)
    / count(*) as v
from days
join payments
    on payments.create_time >= days.closes - interval '7 days'
    and payments.create_time < days.closes
group by days.d
order by days.d
