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
  The bank has lent this much without a contract, interest or security. What is not paid back within weeks is as a
  rule written off, so red is a loss in the making of the amount shown.
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
        where base = 'EUR' and rate_time <= heartbeat.as_of() at time zone 'UTC'
        order by quote, rate_time desc, id desc
    )
    union all
    select 'EUR', 1
),
latest as (
    select distinct on (account_id) account_id, balance
    from webbank_core.account_balance_log
    where "timestamp" <= heartbeat.as_of() at time zone 'UTC'
    order by account_id, "timestamp" desc, id desc
)
select coalesce(round(sum(-latest.balance / rates.per_eur), 2), 0)
from latest
join webbank_core.account a on a.id = latest.account_id
join rates on rates.currency = a.currency
where latest.balance < 0

-- name: history
with today as (
    select
        (heartbeat.as_of() at time zone heartbeat.business_timezone())::date as d,
        heartbeat.as_of() at time zone 'UTC' as now_utc
),
days as (
    select
        g.day::date as d,
        g.day::date = today.d as is_today,
        least(
            (g.day + interval '1 day') at time zone heartbeat.business_timezone() at time zone 'UTC',
            today.now_utc
        ) as closes
    from today
    cross join lateral generate_series(
        today.d::timestamp - interval '89 days', today.d::timestamp, interval '1 day'
    ) as g (day)
),
quotes as (
    select
        quote as currency,
        rate as per_eur,
        rate_time,
        lead(rate_time, 1, 'infinity') over (partition by quote order by rate_time, id) as next_time
    from currency_rate_rate.rate
    where base = 'EUR'
),
day_rates as (
    select days.d, quotes.currency, quotes.per_eur
    from days
    join quotes on quotes.rate_time <= days.closes and quotes.next_time > days.closes
    union all
    select d, 'EUR', 1
    from days
),
moves as (
    select
        a.currency,
        l."timestamp" as t,
        greatest(-l.balance, 0) - lag(greatest(-l.balance, 0), 1, 0::numeric) over (
            partition by l.account_id order by l."timestamp", l.id
        ) as delta
    from webbank_core.account_balance_log l
    join webbank_core.account a on a.id = l.account_id
    cross join today
    where l."timestamp" <= today.now_utc
),
dated as (
    select
        currency,
        t,
        delta,
        (t at time zone 'UTC' at time zone heartbeat.business_timezone())::date as d
    from moves
    where delta <> 0
),
daily as (
    select d, currency, sum(delta) as delta
    from dated
    group by d, currency
),
openings as (
    select days.d, sum(daily.delta / day_rates.per_eur) as eur
    from days
    join daily on daily.d < days.d
    join day_rates on day_rates.d = days.d and day_rates.currency = daily.currency
    group by days.d
),
steps as (
    select
        dated.d,
        sum(dated.delta / day_rates.per_eur) over (partition by dated.d order by dated.t) as eur,
        sum(dated.delta / day_rates.per_eur) over (partition by dated.d) as whole_day
    from dated
    join day_rates on day_rates.d = dated.d and day_rates.currency = dated.currency
),
extremes as (
    select d, max(eur) as worst, max(whole_day) as whole_day
    from steps
    group by d
)
select
    days.d,
    round(
        coalesce(openings.eur, 0)
        + case
            when days.is_today then coalesce(extremes.whole_day, 0)
            else greatest(coalesce(extremes.worst, 0), 0)
        end,
        2
    ) as v
from days
left join openings on openings.d = days.d
left join extremes on extremes.d = days.d
order by days.d
