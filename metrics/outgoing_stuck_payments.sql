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
  REJECTED, CANCELLED, RETURNED) by then, in the payment state log or, where its row is still missing, in the payment
  itself. History shows the largest number at any moment of a past day.
notes: >-
  The lines are scaled to the demo bank at its default scale of 0.1; at full size they would be 20, 60 and a target of
  5. Compliance holds over a Sunday count too: the client waits all the same.
--- */
-- name: value
with candidates as (
    select
        p.id,
        p.currency,
        p.amount,
        case when s.is_terminal then p.update_time end as closed_at
    from webbank_core.payment p
    join webbank_dict.payment_type t on t.id = p.type_id
    join webbank_dict.payment_state s on s.id = p.state_id
    where
        t.direction = 'OUT'
        and p.create_time < (select heartbeat.as_of() at time zone 'UTC') - interval '24 hours'
        and (not s.is_terminal or p.update_time >= (select heartbeat.as_of() at time zone 'UTC'))
),
endings as (
    select l.payment_id, min(l."timestamp") as ended_at
    from candidates
    join webbank_core.payment_state_log l on l.payment_id = candidates.id
    join webbank_dict.payment_state s on s.id = l.state_id
    where s.is_terminal
    group by l.payment_id
),
stuck as (
    select candidates.currency, candidates.amount
    from candidates
    left join endings on endings.payment_id = candidates.id
    where
        coalesce(endings.ended_at, candidates.closed_at, 'infinity')
        >= (select heartbeat.as_of() at time zone 'UTC')
)
select count(*)
from stuck

-- name: history
with candidates as (
    -- a payment that is closed and was not touched after its first day was never stuck
    select
        p.id,
        p.currency,
        p.amount,
        p.create_time + interval '24 hours' as since,
        case when s.is_terminal then p.update_time end as closed_at
    from webbank_core.payment p
    join webbank_dict.payment_type t on t.id = p.type_id
    join webbank_dict.payment_state s on s.id = p.state_id
    where
        t.direction = 'OUT'
        and p.create_time < (select heartbeat.as_of() at time zone 'UTC') - interval '24 hours'
        and (not s.is_terminal or p.update_time > p.create_time + interval '24 hours')
),
endings as (
    select l.payment_id, min(l."timestamp") as ended_at
    from candidates
    join webbank_core.payment_state_log l on l.payment_id = candidates.id
    join webbank_dict.payment_state s on s.id = l.state_id
    where s.is_terminal
    group by l.payment_id
),
stuck as (
    select
        candidates.currency,
        candidates.amount,
        candidates.since,
        coalesce(endings.ended_at, candidates.closed_at) as ended_at
    from candidates
    left join endings on endings.payment_id = candidates.id
    where coalesce(endings.ended_at, candidates.closed_at, 'infinity') > candidates.since
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
