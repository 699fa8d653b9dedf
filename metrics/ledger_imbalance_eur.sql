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
        where base = 'EUR' and rate_time < (select heartbeat.as_of() at time zone 'UTC')
        order by quote, rate_time desc, id desc
    )
    union all
    select 'EUR', 1
),
sides as (
    select e.currency, e.debit_credit, sum(e.amount) as amount
    from webbank_core.entry e
    join webbank_dict.entry_state s on s.id = e.entry_state_id
    where s.code = 'POSTED' and e.create_time < (select heartbeat.as_of() at time zone 'UTC')
    group by e.currency, e.debit_credit
),
imbalances as (
    select currency, sum(case debit_credit when 'D' then amount else -amount end) as amount
    from sides
    group by currency
)
select coalesce(max(abs(imbalances.amount) / rates.per_eur), 0)
from imbalances
join rates on rates.currency = imbalances.currency

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
instants as (
    -- the sides of one posting share their instant, so only what is one-sided remains
    select
        e.currency,
        e.create_time as t,
        sum(case e.debit_credit when 'D' then e.amount else -e.amount end) as delta
    from webbank_core.entry e
    join webbank_dict.entry_state s on s.id = e.entry_state_id
    where s.code = 'POSTED' and e.create_time < (select heartbeat.as_of() at time zone 'UTC')
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
)
select day.d, coalesce(max(abs(levels.amount) / rates.per_eur), 0) as v
from heartbeat.business_days() day
left join levels
    on levels.t < day.closes at time zone 'UTC' and levels.until > day.opens at time zone 'UTC'
left join rates on rates.d = day.d and rates.currency = levels.currency
where not day.is_today
group by day.d
order by day.d
