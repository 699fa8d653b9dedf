/* ---
code: STUK
name: Outgoing payments open for more than 24 hours
short_name: Outgoing stuck
period: snapshot
unit: count
direction: lower_is_better
kind: threshold
norm_value: 4
alert_value: 12
target_value: 1
owner:
cuts: [outgoing_payment_journey, money_at_risk]
description: How many outgoing payments were created more than 24 hours ago and have not ended yet.
how_to_read: >-
  Each one is money that has left the client's hands and not arrived. The bank owes compensation for late execution,
  and one forgotten payment to a supplier or a tax office costs more than its fee will ever bring.
methodology: >-
  Payments with direction OUT, created more than 24 hours before the moment, without a terminal state (EXECUTED,
  REJECTED, CANCELLED, RETURNED) in the payment state log by then. History shows the largest number at any moment of a
  past day.
notes: >-
  The lines are scaled to the small demo bank of 300 clients; at full size they would be 20, 60 and a target of 5.
  Compliance holds over a Sunday count too: the client waits all the same.
--- */
-- name: value
with closings as (
    select l.payment_id, min(l."timestamp") as closed_at
    from webbank_core.payment_state_log l
    join webbank_dict.payment_state s on s.id = l.state_id
    where s.is_terminal and l."timestamp" <= heartbeat.as_of() at time zone 'UTC'
    group by l.payment_id
)
select count(*)
from webbank_core.payment p
join webbank_dict.payment_type t on t.id = p.type_id
left join closings on closings.payment_id = p.id
where
    t.direction = 'OUT'
    and p.create_time < heartbeat.as_of() at time zone 'UTC' - interval '24 hours'
    and closings.payment_id is null

-- name: history
with today as (
    select
        (heartbeat.as_of() at time zone heartbeat.business_timezone())::date as d,
        heartbeat.as_of() at time zone 'UTC' as now_utc
),
days as (
    select
        g.day::date as d,
        case
            when g.day::date = today.d then today.now_utc
            else g.day at time zone heartbeat.business_timezone() at time zone 'UTC'
        end as opens,
        least(
            (g.day + interval '1 day') at time zone heartbeat.business_timezone() at time zone 'UTC',
            today.now_utc
        ) as closes
    from today
    cross join lateral generate_series(
        today.d::timestamp - interval '89 days', today.d::timestamp, interval '1 day'
    ) as g (day)
),
closings as (
    select l.payment_id, min(l."timestamp") as closed_at
    from webbank_core.payment_state_log l
    join webbank_dict.payment_state s on s.id = l.state_id
    where s.is_terminal and l."timestamp" <= heartbeat.as_of() at time zone 'UTC'
    group by l.payment_id
),
stuck as (
    select p.create_time + interval '24 hours' as stuck_at, closings.closed_at
    from webbank_core.payment p
    join webbank_dict.payment_type t on t.id = p.type_id
    left join closings on closings.payment_id = p.id
    where
        t.direction = 'OUT'
        and coalesce(closings.closed_at, 'infinity') > p.create_time + interval '24 hours'
),
moves as (
    select stuck_at as t, 1 as delta
    from stuck
    union all
    select closed_at, -1
    from stuck
    where closed_at is not null
),
instants as (
    select t, sum(delta) as delta
    from moves
    group by t
),
levels as (
    select
        t,
        lead(t, 1, 'infinity') over (order by t) as until,
        sum(delta) over (order by t) as stuck
    from instants
)
select days.d, coalesce(max(levels.stuck), 0) as v
from days
left join levels on levels.t < days.closes and levels.until > days.opens
group by days.d
order by days.d
