/* ---
code: NEGB
name: Negative client balances
short_name: Negative balances
period: snapshot
unit: EUR
direction: lower_is_better
kind: threshold
norm_value: 5000
alert_value: 25000
target_value: 0
owner:
cuts: [money_at_risk]
description: What clients owe the bank on accounts below zero; no account has an agreed overdraft.
how_to_read: >-
  The bank has lent this much without a contract, interest or security. What is not paid back within weeks is as a rule
  written off, so red is a loss in the making of the amount shown.
methodology: >-
  The last balance of every client account, where it is below zero, as a positive sum in euro at the last exchange rate
  known at the moment. History shows the largest sum at any moment of a past day, at that day's closing rates. A
  currency without any rate is left out.
notes: Balances are those of the balance log, which the card settlement of the same day may still change.
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
owed as (
    select a.currency, -sum(latest.balance) as amount
    from latest
    join webbank_core.account a on a.id = latest.account_id
    where latest.balance < 0
    group by a.currency
)
select coalesce(round(sum(owed.amount / rates.per_eur), 2), 0)
from owed
join rates on rates.currency = owed.currency

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
debts as (
    select
        a.currency,
        l."timestamp" as t,
        greatest(-l.balance, 0) as owed,
        lag(greatest(-l.balance, 0), 1, 0::numeric) over (
            partition by l.account_id order by l."timestamp", l.id
        ) as owed_before
    from webbank_core.account_balance_log l
    join webbank_core.account a on a.id = l.account_id
    where l."timestamp" < (select heartbeat.as_of() at time zone 'UTC')
),
moves as (
    select currency, t, owed - owed_before as delta
    from debts
    where owed <> owed_before
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
