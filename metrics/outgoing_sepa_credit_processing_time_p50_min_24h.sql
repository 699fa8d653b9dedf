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
  From the creation of the payment to EXECUTED in the payment state log, in clock minutes, for payments of type
  SEPA_CREDIT_OUT executed in the window; the median. Rejected, cancelled and unfinished payments are not counted;
  outgoing_stuck_payments has the latter. With no executed payment there is no median. A past day is the whole business
  day.
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
    and t.code = 'SEPA_CREDIT_OUT'
    and l."timestamp" >= heartbeat.as_of() at time zone 'UTC' - interval '24 hours'
    and l."timestamp" < heartbeat.as_of() at time zone 'UTC'

-- name: history
with executions as (
    select heartbeat.business_day(l."timestamp" at time zone 'UTC') as d, l."timestamp" - p.create_time as duration
    from webbank_core.payment_state_log l
    join webbank_dict.payment_state s on s.id = l.state_id
    join webbank_core.payment p on p.id = l.payment_id
    join webbank_dict.payment_type t on t.id = p.type_id
    where
        s.code = 'EXECUTED'
        and t.code = 'SEPA_CREDIT_OUT'
        and l."timestamp" >= (select heartbeat.as_of() at time zone 'UTC') - interval '92 days'
)
select
    day.d,
    percentile_cont(0.5) within group (
        order by extract(epoch from executions.duration) / 60
    ) as v
from heartbeat.business_days() day
join executions on executions.d = day.d
where not day.is_today
group by day.d
order by day.d
