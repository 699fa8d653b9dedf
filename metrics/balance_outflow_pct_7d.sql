/* ---
code: OUTF
name: Change of client balances, last 7 days
short_name: Balance change 7 days
period: 7d
unit: "%"
direction: higher_is_better
kind: threshold
norm_value: -5
alert_value: -10
target_value: 0
owner:
cuts: [balance_movers]
description: By how much client balances have changed in 7 days; below zero money leaves.
how_to_read: >-
  A tenth of the deposits gone in a week is how a run begins. At red the treasury has to sell assets at the price of the
  day, and what that costs is the spread on every euro that left.
methodology: >-
  100 x (balances now / balances 7 days ago - 1); the last balance of every client account at each of the two moments,
  both at the exchange rates of the later one, so that rates do not move the number. Without balances 7 days ago there
  is no number. A past day is the change at its end.
notes: >-
  Direction and lines are negative numbers: -5 is five per cent less money than a week ago.
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
earlier as (
    select distinct on (account_id) account_id, balance
    from webbank_core.account_balance_log
    where "timestamp" < (select heartbeat.as_of() at time zone 'UTC') - interval '7 days'
    order by account_id, "timestamp" desc, id desc
),
held as (
    select a.currency, sum(latest.balance) as amount, sum(earlier.balance) as earlier
    from latest
    join webbank_core.account a on a.id = latest.account_id
    left join earlier on earlier.account_id = latest.account_id
    group by a.currency
)
select 100 * (sum(held.amount / rates.per_eur) / nullif(sum(held.earlier / rates.per_eur), 0) - 1)
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
        heartbeat.business_day(l."timestamp" at time zone 'UTC') as d,
        l.balance - lag(l.balance, 1, 0::numeric) over (
            partition by l.account_id order by l."timestamp", l.id
        ) as delta
    from webbank_core.account_balance_log l
    join webbank_core.account a on a.id = l.account_id
    where l."timestamp" < (select heartbeat.as_of() at time zone 'UTC')
),
levels as (
    select
        currency,
        d,
        lead(d, 1, 'infinity') over (partition by currency order by d) as until,
        sum(sum(delta)) over (partition by currency order by d) as amount
    from moves
    group by currency, d
),
held as (
    select day.d, sum(levels.amount / rates.per_eur) as eur
    from heartbeat.business_days() day
    join levels on levels.d <= day.d and levels.until > day.d
    join rates on rates.d = day.d and rates.currency = levels.currency
    group by day.d
),
held_earlier as (
    -- at the rates of the later day, so that only money moves the number
    select day.d, sum(levels.amount / rates.per_eur) as eur
    from heartbeat.business_days() day
    join levels on levels.d <= day.d - 7 and levels.until > day.d - 7
    join rates on rates.d = day.d and rates.currency = levels.currency
    group by day.d
)
select day.d, 100 * (held.eur / held_earlier.eur - 1) as v
from heartbeat.business_days() day
join held on held.d = day.d
join held_earlier on held_earlier.d = day.d
where not day.is_today and held_earlier.eur <> 0
order by day.d
