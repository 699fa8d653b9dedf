/* ---
code: STKE
name: Amount of outgoing payments open for more than 24 hours
short_name: Outgoing stuck, amount
period: snapshot
unit: EUR
direction: lower_is_better
kind: threshold
norm_value: 25000
alert_value: 100000
target_value: 5000
owner:
cuts: [outgoing_payment_journey, money_at_risk]
description: The money in outgoing payments that were created more than 24 hours ago and have not ended yet.
how_to_read: >-
  This much client money is on its way and late. It bears interest and compensation for every further day, and the
  largest payments belong to the clients whose balances the bank can least afford to lose.
methodology: >-
  The amounts of the payments that outgoing_stuck_payments counts, in euro at the last exchange rate known at the
  moment. History shows the largest sum at any moment of a past day, at that day's closing rates. A currency without any
  rate is left out.
notes: >-
  The lines are scaled to the demo bank at its default scale of 0.1; at full size they would be 250,000, 1,000,000 and a
  target of 50,000.
--- */
-- name: value
with rates as (
    (
        select distinct on (quote) quote as currency, rate as per_eur
        from currency_rate_rate.rate
        where base = 'EUR' and rate_time < (select heartbeat.as_of() at time zone 'UTC')
        order by quote, rate_time desc, id desc
    )
    union all
    select 'EUR', 1
),
candidates as (
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
select coalesce(round(sum(stuck.amount / rates.per_eur), 2), 0)
from stuck
join rates on rates.currency = stuck.currency

-- name: history
with closings as (
    select distinct on (quote, heartbeat.business_day(rate_time at time zone 'UTC'))
        quote as currency,
        rate as per_eur,
        heartbeat.business_day(rate_time at time zone 'UTC') as d
    from currency_rate_rate.rate
    where base = 'EUR' and rate_time < (select heartbeat.as_of() at time zone 'UTC')
    order by quote, heartbeat.business_day(rate_time at time zone 'UTC'), rate_time desc, id desc
),
quotes as (
    select currency, per_eur, d, lead(d, 1, 'infinity') over (partition by currency order by d) as until
    from closings
),
rates as (
    select day.d, quotes.currency, quotes.per_eur
    from heartbeat.business_days(90) day
    join quotes on quotes.d <= day.d and quotes.until > day.d
    union all
    select d, 'EUR', 1
    from heartbeat.business_days(90)
),
candidates as (
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
moves as (
    select currency, since as t, amount as delta
    from stuck
    union all
    select currency, ended_at, -amount
    from stuck
    where ended_at is not null
),
dated as (
    -- what moved before the first day is its opening level
    select
        currency,
        greatest(t, first.opens at time zone 'UTC' - interval '1 second') as t,
        delta
    from moves
    cross join (select min(opens) as opens from heartbeat.business_days()) first
),
instants as (
    select currency, t, heartbeat.business_day(t at time zone 'UTC') as d, sum(delta) as delta
    from dated
    group by currency, t
),
closing_levels as (
    select currency, d, sum(sum(delta)) over (partition by currency order by d) as amount
    from instants
    group by currency, d
),
standing as (
    -- the level at which each day opens, carried over days without a move
    select
        currency, d, lead(d, 1, 'infinity') over (partition by currency order by d) as until, amount
    from closing_levels
),
openings as (
    select day.d, sum(standing.amount / rates.per_eur) as eur
    from heartbeat.business_days() day
    join standing on standing.d < day.d and standing.until >= day.d
    join rates on rates.d = day.d and rates.currency = standing.currency
    group by day.d
),
steps as (
    select
        instants.d,
        sum(sum(instants.delta / rates.per_eur)) over (
            partition by instants.d order by instants.t
        ) as eur
    from instants
    join rates on rates.d = instants.d and rates.currency = instants.currency
    group by instants.d, instants.t
),
extremes as (
    select d, max(eur) as eur
    from steps
    group by d
)
select
    day.d,
    round(coalesce(openings.eur, 0) + greatest(coalesce(extremes.eur, 0), 0), 2) as v
from heartbeat.business_days() day
left join openings on openings.d = day.d
left join extremes on extremes.d = day.d
where not day.is_today
order by day.d
