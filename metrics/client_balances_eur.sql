/* ---
code: BALS
name: Client balances
short_name: Client balances
period: snapshot
unit: EUR
direction: higher_is_better
kind: rolling_stat
norm_value: 15000000
alert_value: 12000000
target_value: 22000000
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
notes: >-
  The lines are floors for the small demo bank of 300 clients and must be set anew for a real one.
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
select round(sum(latest.balance / rates.per_eur), 2)
from latest
join webbank_core.account a on a.id = latest.account_id
join rates on rates.currency = a.currency

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
        l.balance - lag(l.balance, 1, 0::numeric) over (
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
    select d, min(eur) as worst, max(whole_day) as whole_day
    from steps
    group by d
)
select
    days.d,
    round(
        coalesce(openings.eur, 0)
        + case
            when days.is_today then coalesce(extremes.whole_day, 0)
            else least(coalesce(extremes.worst, 0), 0)
        end,
        2
    ) as v
from days
left join openings on openings.d = days.d
left join extremes on extremes.d = days.d
order by days.d
