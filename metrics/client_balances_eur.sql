/* ---
code: BALS
name: Client balances
short_name: Client balances
period: snapshot
unit: EUR
direction: higher_is_better
kind: rolling_stat
norm_value: 35000000
alert_value: 25000000
target_value: 50000000
owner:
cuts: [balance_movers, client_segments]
description: All money that clients hold with the bank at this moment.
how_to_read: >-
  Balances are the bank's cheapest funding. A red fall means that large clients move out, and what leaves must be
  replaced with money that costs interest.
methodology: >-
  The last balance of every client account, negative ones included, in euro at the last exchange rate known at the
  moment. History shows the lowest sum at any moment of a past day, at that day's closing rates. A currency without any
  rate is left out.
notes: The lines are floors for the demo bank at its default scale of 0.1 and must be set anew for a real one.
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
latest as (
    select distinct on (account_id) account_id, balance
    from webbank_core.account_balance_log
    where "timestamp" < (select heartbeat.as_of() at time zone 'UTC')
    order by account_id, "timestamp" desc, id desc
),
held as (
    select a.currency, sum(latest.balance) as amount
    from latest
    join webbank_core.account a on a.id = latest.account_id
    group by a.currency
)
select round(sum(held.amount / rates.per_eur), 2)
from held
join rates on rates.currency = held.currency

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
moves as (
    select
        a.currency,
        l."timestamp" as t,
        l.balance - lag(l.balance, 1, 0::numeric) over (
            partition by l.account_id order by l."timestamp", l.id
        ) as delta
    from webbank_core.account_balance_log l
    join webbank_core.account a on a.id = l.account_id
    where l."timestamp" < (select heartbeat.as_of() at time zone 'UTC')
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
    select d, min(eur) as eur
    from steps
    group by d
)
select
    day.d,
    round(coalesce(openings.eur, 0) + least(coalesce(extremes.eur, 0), 0), 2) as v
from heartbeat.business_days() day
left join openings on openings.d = day.d
left join extremes on extremes.d = day.d
where not day.is_today
order by day.d
