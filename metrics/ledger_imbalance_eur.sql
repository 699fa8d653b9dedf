/* ---
code: LEDG
name: Ledger imbalance
short_name: Ledger imbalance
period: snapshot
unit: EUR
direction: lower_is_better
kind: threshold
norm_value: 0
alert_value: 0.005
target_value: 0
owner:
cuts: [money_at_risk]
description: How far the debits and credits of the ledger are apart; in a sound ledger it is exactly zero.
how_to_read: >-
  Any amount is red: one posting has no other side. The cent on the wall may stand for a defect that books millions
  wrongly, so the books cannot be closed, and an auditor's finding costs far more than the difference.
methodology: >-
  Debits less credits of all posted entries per currency; the largest difference of any currency, without its sign, in
  euro at the last exchange rate known at the moment. History shows the largest difference at any moment of a past day,
  at that day's closing rates. A currency without any rate is left out.
notes: >-
  An entry is dated by its create_time and judged by its present state: a reversal changes past days as well.
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
imbalances as (
    select e.currency, sum(case e.debit_credit when 'D' then e.amount else -e.amount end) as amount
    from webbank_core.entry e
    join webbank_dict.entry_state s on s.id = e.entry_state_id
    where s.code = 'POSTED' and e.create_time <= heartbeat.as_of() at time zone 'UTC'
    group by e.currency
)
select coalesce(max(abs(imbalances.amount) / rates.per_eur), 0)
from imbalances
join rates on rates.currency = imbalances.currency

-- name: history
with today as (
    select
        (heartbeat.as_of() at time zone heartbeat.business_timezone())::date as d,
        heartbeat.as_of() at time zone 'UTC' as now_utc
),
days as (
    select
        g.day::date as d,
        case
            when g.day::date = today.d then today.now_utc
            else g.day at time zone heartbeat.business_timezone() at time zone 'UTC'
        end as opens,
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
instants as (
    -- the sides of one posting share their instant, so only what is one-sided remains
    select e.currency, e.create_time as t, sum(case e.debit_credit when 'D' then e.amount else -e.amount end) as delta
    from webbank_core.entry e
    join webbank_dict.entry_state s on s.id = e.entry_state_id
    cross join today
    where s.code = 'POSTED' and e.create_time <= today.now_utc
    group by e.currency, e.create_time
    having sum(case e.debit_credit when 'D' then e.amount else -e.amount end) <> 0
),
levels as (
    select
        currency,
        t,
        lead(t, 1, 'infinity') over (partition by currency order by t) as until,
        sum(delta) over (partition by currency order by t) as amount
    from instants
),
worst as (
    select days.d, max(abs(levels.amount) / day_rates.per_eur) as eur
    from days
    join levels on levels.t <= days.closes and levels.until > days.opens
    join day_rates on day_rates.d = days.d and day_rates.currency = levels.currency
    group by days.d
)
select days.d, coalesce(worst.eur, 0) as v
from days
left join worst on worst.d = days.d
order by days.d
