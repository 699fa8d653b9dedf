/* ---
code: REVD
name: Revenue, last 24 hours
short_name: Revenue 24 h
period: 24h
unit: EUR
direction: higher_is_better
kind: rolling_stat
norm_value: 200
alert_value: 100
target_value: 450
owner:
cuts: [revenue_anatomy, revenue_concentration]
description: What clients paid the bank in the last 24 hours in fees, exchange margin and interest.
how_to_read: >-
  This is the day's income itself. A red day means fees that were not charged or payments that did not happen, and the
  gap to the line is money that does not come back.
methodology: >-
  Posted entries of revenue types (FEE, FX_MARGIN, INTEREST) on the fee income account -2, credits less debits, by the
  time of the entry, in euro at the last exchange rate known at the end of the window. Pending, reversed and cancelled
  entries are not counted. A past day is the whole business day. A currency without any rate is left out.
notes: >-
  The lines are floors for the small demo bank of 300 clients and must be set anew for a real one. They leave room
  for Sundays, when clients pay least.
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
)
select
    coalesce(
        round(
            sum(case e.debit_credit when 'C' then e.amount else -e.amount end / rates.per_eur), 2
        ),
        0
    )
from webbank_core.entry e
join webbank_dict.entry_type t on t.id = e.entry_type_id
join webbank_dict.entry_state s on s.id = e.entry_state_id
join rates on rates.currency = e.currency
where
    t.is_revenue
    and s.code = 'POSTED'
    and e.account_id = -2
    and e.create_time > heartbeat.as_of() at time zone 'UTC' - interval '24 hours'
    and e.create_time <= heartbeat.as_of() at time zone 'UTC'

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
incomes as (
    select
        e.currency,
        e.create_time as t,
        case e.debit_credit when 'C' then e.amount else -e.amount end as amount
    from webbank_core.entry e
    join webbank_dict.entry_type t on t.id = e.entry_type_id
    join webbank_dict.entry_state s on s.id = e.entry_state_id
    where t.is_revenue and s.code = 'POSTED' and e.account_id = -2
),
recent as (
    select
        incomes.*,
        (incomes.t at time zone 'UTC' at time zone heartbeat.business_timezone())::date as day,
        incomes.t > today.now_utc - interval '24 hours' as is_of_last_24_hours
    from incomes
    cross join today
    where incomes.t > today.now_utc - interval '92 days' and incomes.t <= today.now_utc
),
counted as (
    -- a past day is whole; today is the last 24 hours
    select recent.day as d, recent.currency, recent.amount
    from recent
    cross join today
    where recent.day < today.d
    union all
    select today.d, recent.currency, recent.amount
    from recent
    cross join today
    where recent.is_of_last_24_hours
),
revenues as (
    select counted.d, sum(counted.amount / day_rates.per_eur) as eur
    from counted
    join day_rates on day_rates.d = counted.d and day_rates.currency = counted.currency
    group by counted.d
)
select days.d, coalesce(round(revenues.eur, 2), 0) as v
from days
left join revenues on revenues.d = days.d
order by days.d
