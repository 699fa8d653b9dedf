/* ---
code: TURN
name: Client turnover, last 7 days
short_name: Client turnover 7 days
period: 7d
unit: EUR
direction: higher_is_better
kind: rolling_stat
norm_value: 3500000
alert_value: 2500000
target_value: 6000000
owner:
cuts: [payment_heatmap, balance_movers]
description: All money that moved on client accounts in the last 7 days, in and out.
how_to_read: >-
  Fees follow turnover with a month's distance: a red week here is a red month of revenue to come. A sudden fall is most
  often a rail that stopped or one large client that left.
methodology: >-
  Posted PRINCIPAL entries on client accounts in the window, debits and credits both counted, in euro at the closing
  rate of the business day of each entry, on the last day at the last rate known. Fees, margins, interest and opening
  balances are not counted; a transfer between two clients counts twice. A past day is the sum at its end.
notes: The lines are floors for the demo bank at its default scale of 0.1 and must be set anew for a real one.
--- */
-- name: value
with closings as (
    select distinct on (quote, heartbeat.business_day(rate_time at time zone 'UTC'))
        quote as currency,
        rate as per_eur,
        heartbeat.business_day(rate_time at time zone 'UTC') as d
    from currency_rate_rate.rate
    where base = 'EUR' and rate_time < heartbeat.as_of() at time zone 'UTC'
    order by quote, heartbeat.business_day(rate_time at time zone 'UTC'), rate_time desc, id desc
),
quotes as (
    select currency, per_eur, d, lead(d, 1, 'infinity') over (partition by currency order by d) as until
    from closings
),
rates as (
    select day.d, quotes.currency, quotes.per_eur
    from heartbeat.business_days(8) day
    join quotes on quotes.d <= day.d and quotes.until > day.d
    union all
    select d, 'EUR', 1
    from heartbeat.business_days(8)
),
turns as (
    select heartbeat.business_day(e.create_time at time zone 'UTC') as d, e.currency, sum(e.amount) as amount
    from webbank_core.entry e
    join webbank_core.account a on a.id = e.account_id
    join webbank_dict.entry_type t on t.id = e.entry_type_id
    join webbank_dict.entry_state s on s.id = e.entry_state_id
    where
        t.code = 'PRINCIPAL'
        and s.code = 'POSTED'
        and e.create_time >= heartbeat.as_of() at time zone 'UTC' - interval '7 days'
        and e.create_time < heartbeat.as_of() at time zone 'UTC'
    group by 1, 2
)
select coalesce(round(sum(turns.amount / rates.per_eur), 2), 0)
from turns
join rates on rates.d = turns.d and rates.currency = turns.currency

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
    from heartbeat.business_days(98) day
    join quotes on quotes.d <= day.d and quotes.until > day.d
    union all
    select d, 'EUR', 1
    from heartbeat.business_days(98)
),
turns as (
    select heartbeat.business_day(e.create_time at time zone 'UTC') as d, e.currency, sum(e.amount) as amount
    from webbank_core.entry e
    join webbank_core.account a on a.id = e.account_id
    join webbank_dict.entry_type t on t.id = e.entry_type_id
    join webbank_dict.entry_state s on s.id = e.entry_state_id
    where
        t.code = 'PRINCIPAL'
        and s.code = 'POSTED'
        and e.create_time >= (select heartbeat.as_of() at time zone 'UTC') - interval '98 days'
        and e.create_time < (select heartbeat.as_of() at time zone 'UTC')
    group by 1, 2
),
turnovers as (
    select turns.d, sum(turns.amount / rates.per_eur) as eur
    from turns
    join rates on rates.d = turns.d and rates.currency = turns.currency
    group by turns.d
),
rolled as (
    select
        day.d,
        sum(coalesce(turnovers.eur, 0)) over (
            order by day.d rows between 6 preceding and current row
        ) as eur
    from heartbeat.business_days(98) day
    left join turnovers on turnovers.d = day.d
)
select rolled.d, round(rolled.eur, 2) as v
from rolled
join heartbeat.business_days() day on day.d = rolled.d
where not day.is_today
order by rolled.d
