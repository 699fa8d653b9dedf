/* ---
code: OAPR
name: Outgoing payments, approval rate, last 24 hours
short_name: Outgoing approved
period: 24h
unit: "%"
direction: higher_is_better
kind: rolling_stat
norm_value: 96
alert_value: 92
target_value: 98
owner:
cuts: [payment_outcomes, rejection_reasons, outgoing_payment_journey]
description: Of the outgoing payments that were decided in the last 24 hours, the share that was executed.
how_to_read: >-
  Every point below the line is one client payment in a hundred that did not go out. Its fee is lost at once, its sender
  calls support, and a correspondent or a limit that rejects in bulk moves whole balances to another bank.
methodology: >-
  Payments with direction OUT that reached EXECUTED, REJECTED or CANCELLED in the window, by the payment state log; 100
  x executed / all of them. Payments still under way are not counted. A later return does not undo an execution. With no
  decided payment there is no rate. A past day is the whole business day.
notes: Webbank's view. What the back office decides before webbank hears of it is not visible here.
--- */
-- name: value
select 100.0 * count(*) filter (where s.is_success) / nullif(count(*), 0)
from webbank_core.payment_state_log l
join webbank_dict.payment_state s on s.id = l.state_id
join webbank_core.payment p on p.id = l.payment_id
join webbank_dict.payment_type t on t.id = p.type_id
where
    s.code in ('EXECUTED', 'REJECTED', 'CANCELLED')
    and t.direction = 'OUT'
    and l."timestamp" >= heartbeat.as_of() at time zone 'UTC' - interval '24 hours'
    and l."timestamp" < heartbeat.as_of() at time zone 'UTC'

-- name: history
with decisions as (
    select heartbeat.business_day(l."timestamp" at time zone 'UTC') as d, s.is_success
    from webbank_core.payment_state_log l
    join webbank_dict.payment_state s on s.id = l.state_id
    join webbank_core.payment p on p.id = l.payment_id
    join webbank_dict.payment_type t on t.id = p.type_id
    where
        s.code in ('EXECUTED', 'REJECTED', 'CANCELLED')
        and t.direction = 'OUT'
        and l."timestamp" >= (select heartbeat.as_of() at time zone 'UTC') - interval '92 days'
)
select day.d, 100.0 * count(*) filter (where decisions.is_success) / count(*) as v
from heartbeat.business_days() day
join decisions on decisions.d = day.d
where not day.is_today
group by day.d
order by day.d
