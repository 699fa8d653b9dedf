/* ---
code: REVM
name: Revenue, last 30 days
short_name: Revenue 30 days
period: 30d
unit: EUR
direction: higher_is_better
kind: threshold
norm_value: 26125
alert_value: 23375
target_value: 27500
target_due_date: 2026-12-31
owner:
cuts: [revenue_anatomy, revenue_concentration]
description: What clients paid the bank in the last 30 days in fees, exchange margin and interest.
how_to_read: >-
  The target is the budget. The amber line is 5 % below it and red 15 %: at red the year's plan cannot be met without
  new clients or new prices, and costs have to be looked at.
methodology: >-
  Posted entries of revenue types (FEE, FX_MARGIN, INTEREST) on the fee income account -2, credits less debits, by the
  time of the entry, in euro at the closing rate of the business day of each entry, on the last day at the last rate
  known. Pending, reversed and cancelled entries are not counted. A past day is the sum at its end. A currency without
  any rate is left out.
notes: >-
  The budget is a figure of the demo bank at its default scale of 0.1; the owner of the real number sets the real one.
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
    from heartbeat.business_days(31) day
    join quotes on quotes.d <= day.d and quotes.until > day.d
    union all
    select d, 'EUR', 1
    from heartbeat.business_days(31)
),
incomes as (
    select
        heartbeat.business_day(e.create_time at time zone 'UTC') as d,
        e.currency,
        sum(case e.debit_credit when 'C' then e.amount else -e.amount end) as amount
    from webbank_core.entry e
    join webbank_dict.entry_type t on t.id = e.entry_type_id
    join webbank_dict.entry_state s on s.id = e.entry_state_id
    where
        t.is_revenue
        and s.code = 'POSTED'
        and e.account_id = -2
        and e.create_time >= heartbeat.as_of() at time zone 'UTC' - interval '30 days'
        and e.create_time < heartbeat.as_of() at time zone 'UTC'
    group by 1, 2
)
select coalesce(round(sum(incomes.amount / rates.per_eur), 2), 0)
from incomes
join rates on rates.d = incomes.d and rates.currency = incomes.currency

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
    from heartbeat.business_days(122) day
    join quotes on quotes.d <= day.d and quotes.until > day.d
    union all
    select d, 'EUR', 1
    from heartbeat.business_days(122)
),
incomes as (
    select
        heartbeat.business_day(e.create_time at time zone 'UTC') as d,
        e.currency,
        sum(case e.debit_credit when 'C' then e.amount else -e.amount end) as amount
    from webbank_core.entry e
    join webbank_dict.entry_type t on t.id = e.entry_type_id
    join webbank_dict.entry_state s on s.id = e.entry_state_id
    where
        t.is_revenue
        and s.code = 'POSTED'
        and e.account_id = -2
        and e.create_time >= (select heartbeat.as_of() at time zone 'UTC') - interval '122 days'
        and e.create_time < (select heartbeat.as_of() at time zone 'UTC')
    group by 1, 2
),
revenues as (
    select incomes.d, sum(incomes.amount / rates.per_eur) as eur
    from incomes
    join rates on rates.d = incomes.d and rates.currency = incomes.currency
    group by incomes.d
),
rolled as (
    select
        day.d,
        sum(coalesce(revenues.eur, 0)) over (
            order by day.d rows between 29 preceding and current row
        ) as eur
    from heartbeat.business_days(122) day
    left join revenues on revenues.d = day.d
)
select rolled.d, round(rolled.eur, 2) as v
from rolled
join heartbeat.business_days() day on day.d = rolled.d
where not day.is_today
order by rolled.d
