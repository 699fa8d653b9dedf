/* ---
code: STUK
name: Outgoing payments open for more than 24 hours
short_name: Outgoing stuck
period: snapshot
unit: count
direction: lower_is_better
kind: threshold
norm_value: 2
alert_value: 6
target_value: 0.5
owner:
cuts: [outgoing_payment_journey, money_at_risk]
description: How many outgoing payments were created more than 24 hours ago and have not ended yet.
how_to_read: >-
  Each one is money that has left the client's hands and not arrived. The bank owes compensation for late execution, and
  one forgotten payment to a supplier or a tax office costs more than its fee will ever bring.
methodology: >-
  Payments with direction OUT, created more than 24 hours before the moment, without a terminal state (EXECUTED,
  REJECTED, CANCELLED, RETURNED) in the payment state log by then. History shows the largest number at any moment of a
  past day.
notes: >-
  The lines are scaled to the demo bank at its default scale of 0.1; at full size they would be 20, 60 and a target of
  5. Compliance holds over a Sunday count too: the client waits all the same.
--- */
-- name: value
with endings as (
    select l.payment_id, min(l."timestamp") as ended_at
    from webbank_core.payment_state_log l
    join webbank_dict.payment_state s on s.id = l.state_id
    where s.is_terminal and l."timestamp" < heartbeat.as_of() at time zone 'UTC'
    group by l.payment_id
)
select count(*)
from webbank_core.payment p
join webbank_dict.payment_type t on t.id = p.type_id
left join endings on endings.payment_id = p.id
where
    t.direction = 'OUT'
    and p.create_time < heartbeat.as_of() at time zone 'UTC' - interval '24 hours'
    and endings.payment_id is null

-- name: history
with endings as (
    select l.payment_id, min(l."timestamp") as ended_at
    from webbank_core.payment_state_log l
    join webbank_dict.payment_state s on s.id = l.state_id
    where s.is_terminal and l."timestamp" < heartbeat.as_of() at time zone 'UTC'
    group by l.payment_id
),
stuck as (
    select
        p.currency,
        p.amount,
        p.create_time + interval '24 hours' as since,
        endings.ended_at
    from webbank_core.payment p
    join webbank_dict.payment_type t on t.id = p.type_id
    left join endings on endings.payment_id = p.id
    where
        t.direction = 'OUT'
        and p.create_time < heartbeat.as_of() at time zone 'UTC' - interval '24 hours'
        and (endings.ended_at is null or endings.ended_at > p.create_time + interval '24 hours')
),
changes as (
    select since as t, 1 as delta
    from stuck
    union all
    select ended_at, -1
    from stuck
    where ended_at is not null
),
counts as (
    select
        t,
        lead(t, 1, 'infinity') over (order by t) as until,
        sum(sum(delta)) over (order by t) as number
    from changes
    group by t
)
select day.d, coalesce(max(counts.number), 0) as v
from heartbeat.business_days() day
left join counts
    on counts.t < day.closes at time zone 'UTC' and counts.until > day.opens at time zone 'UTC'
where not day.is_today
group by day.d
order by day.d
