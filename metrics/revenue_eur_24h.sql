/* ---
code: REVD
name: Revenue, last 24 hours
short_name: Revenue 24 h
period: 24h
unit: EUR
direction: higher_is_better
kind: rolling_stat
benchmark_days: 60
season: weekday
norm_value: 500
alert_value: 200
target_value: 1500
owner:
cuts: [revenue_anatomy, revenue_concentration]
description: What clients paid the bank in the last 24 hours in fees, exchange margin and interest.
how_to_read: >-
  This is the day's income itself. A red day means fees that were not charged or payments that did not happen, and the
  gap to the line is money that does not come back.
methodology: >-
  Posted entries of revenue types (FEE, FX_MARGIN, INTEREST) on the fee income account -2, credits less debits, by the
  time of the entry, in euro at the closing rate of the business day of each entry, on the last day at the last rate
  known. Pending, reversed and cancelled entries are not counted. A past day is the whole business day. A currency
  without any rate is left out.
notes: >-
  The lines are floors for the demo bank at its default scale of 0.1 and must be set anew for a real one. They leave
  room for Sundays and holidays, when clients pay least.
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
    from heartbeat.business_days(2) day
    join quotes on quotes.d <= day.d and quotes.until > day.d
    union all
    select d, 'EUR', 1
    from heartbeat.business_days(2)
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
        and e.create_time >= heartbeat.as_of() at time zone 'UTC' - interval '24 hours'
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
    from heartbeat.business_days(90) day
    join quotes on quotes.d <= day.d and quotes.until > day.d
    union all
    select d, 'EUR', 1
    from heartbeat.business_days(90)
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
        and e.create_time >= (select heartbeat.as_of() at time zone 'UTC') - interval '92 days'
        and e.create_time < (select heartbeat.as_of() at time zone 'UTC')
    group by 1, 2
),
revenues as (
    select incomes.d, sum(incomes.amount / rates.per_eur) as eur
    from incomes
    join rates on rates.d = incomes.d and rates.currency = incomes.currency
    group by incomes.d
)
select day.d, coalesce(round(revenues.eur, 2), 0) as v
from heartbeat.business_days() day
left join revenues on revenues.d = day.d
where not day.is_today
order by day.d
