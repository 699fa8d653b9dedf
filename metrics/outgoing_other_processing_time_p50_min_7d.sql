/* ---
code: OOTH
name: Outgoing SWIFT, median processing time, last 7 days
short_name: SWIFT out, median
period: 7d
unit: min
direction: lower_is_better
kind: rolling_stat
norm_value: 480
alert_value: 1440
target_value: 240
owner:
cuts: [outgoing_payment_journey, processing_time_distribution]
description: Half of the outgoing payments beyond SEPA executed in the last 7 days took longer than this.
how_to_read: >-
  These are the largest payments and carry the highest fees. Beyond a day the beneficiary's bank asks, the client loses
  a deal's rate or deadline, and the bank pays for the inquiry and often for the difference.
methodology: >-
  From the creation of the payment to EXECUTED in the payment state log, in clock minutes, for outgoing payments on the
  SWIFT rail executed in the window; the median. SEPA, card and book transfers are not counted, nor are payments that
  did not end in an execution. A past day is the median at its end.
notes: >-
  The bank's own work and compliance holds together, as webbank sees them, until the workflow system (BPM) is landed and
  the two can be told apart.
--- */
-- name: value
select
    percentile_cont(0.5) within group (
        order by extract(epoch from l."timestamp" - p.create_time) / 60
    )
from webbank_core.payment_state_log l
join webbank_dict.payment_state s on s.id = l.state_id
join webbank_core.payment p on p.id = l.payment_id
join webbank_dict.payment_type t on t.id = p.type_id
where
    s.code = 'EXECUTED'
    and t.direction = 'OUT'
    and t.rail = 'SWIFT'
    and l."timestamp" >= heartbeat.as_of() at time zone 'UTC' - interval '7 days'
    and l."timestamp" < heartbeat.as_of() at time zone 'UTC'

-- name: history
with days as materialized (
    select d, closes at time zone 'UTC' as closes
    from heartbeat.business_days()
    where not is_today
),
executions as (
    select l."timestamp" as executed_at, l."timestamp" - p.create_time as duration
    from webbank_core.payment_state_log l
    join webbank_dict.payment_state s on s.id = l.state_id
    join webbank_core.payment p on p.id = l.payment_id
    join webbank_dict.payment_type t on t.id = p.type_id
    where
        s.code = 'EXECUTED'
        and t.direction = 'OUT'
        and t.rail = 'SWIFT'
        and l."timestamp" >= (select heartbeat.as_of() at time zone 'UTC') - interval '99 days'
)
select
    days.d,
    percentile_cont(0.5) within group (
        order by extract(epoch from executions.duration) / 60
    ) as v
from days
join executions
    on executions.executed_at >= days.closes - interval '7 days'
    and executions.executed_at < days.closes
group by days.d
order by days.d
