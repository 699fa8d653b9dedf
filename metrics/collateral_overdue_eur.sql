/* ---
code: COLE
name: Overdue collateral
short_name: Collateral overdue
period: snapshot
unit: EUR
direction: lower_is_better
kind: threshold
norm_value: 10000
alert_value: 50000
target_value: 0
owner:
cuts: [money_at_risk]
description: The collateral that is past its due date and that clients have not paid.
how_to_read: >-
  This much of the bank's own money stands in for clients towards the card schemes. If a client fails, all of it is
  lost; until then it is missing in liquidity.
methodology: >-
  Required amount less what the client paid, for collaterals past their due date that are not released; only payments
  with paid_by CLIENT count. What the bank covered from its own funds is still overdue, whatever the state of the
  collateral says. In euro at the last exchange rate known at the moment. History shows the start of each past day, its
  worst moment. A currency without any rate is left out.
notes: >-
  Today is the date in the business time zone. A released collateral counts until its last update, which is the release.
--- */
-- name: value
with rates as (
    (
        select distinct on (quote) quote as currency, rate as per_eur
        from currency_rate_rate.rate
        where base = 'EUR' and rate_time < heartbeat.as_of() at time zone 'UTC'
        order by quote, rate_time desc, id desc
    )
    union all
    select 'EUR', 1
),
paid as (
    select collateral_id, sum(amount) as amount
    from webbank_core.collateral_payment
    where paid_by = 'CLIENT' and paid_at < heartbeat.as_of() at time zone 'UTC'
    group by collateral_id
),
overdue as (
    select
        c.currency,
        heartbeat.business_day(heartbeat.as_of()) - c.due_date as days,
        c.required_amount - coalesce(paid.amount, 0) as amount
    from webbank_core.collateral c
    join webbank_dict.collateral_state s on s.id = c.state_id
    left join paid on paid.collateral_id = c.id
    where
        c.due_date < heartbeat.business_day(heartbeat.as_of())
        and c.create_time < heartbeat.as_of() at time zone 'UTC'
        and (s.code <> 'RELEASED' or c.update_time >= heartbeat.as_of() at time zone 'UTC')
        and c.required_amount > coalesce(paid.amount, 0)
)
select coalesce(round(sum(overdue.amount / rates.per_eur), 2), 0)
from overdue
join rates on rates.currency = overdue.currency

-- name: history
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
    from heartbeat.business_days(90) day
    join quotes on quotes.d <= day.d and quotes.until > day.d
    union all
    select d, 'EUR', 1
    from heartbeat.business_days(90)
),
days as (
    -- what is overdue only shrinks within a day, so the worst moment of a past day is its start
    select d, opens at time zone 'UTC' as moment
    from heartbeat.business_days()
    where not is_today
),
paid as (
    select days.d, p.collateral_id, sum(p.amount) as amount
    from days
    join webbank_core.collateral_payment p on p.paid_by = 'CLIENT' and p.paid_at < days.moment
    group by days.d, p.collateral_id
),
overdue as (
    select
        days.d,
        c.currency,
        days.d - c.due_date as days,
        c.required_amount - coalesce(paid.amount, 0) as amount
    from days
    join webbank_core.collateral c on c.due_date < days.d and c.create_time < days.moment
    join webbank_dict.collateral_state s on s.id = c.state_id
    left join paid on paid.d = days.d and paid.collateral_id = c.id
    where
        (s.code <> 'RELEASED' or c.update_time >= days.moment)
        and c.required_amount > coalesce(paid.amount, 0)
)
select days.d, coalesce(round(sum(overdue.amount / rates.per_eur), 2), 0) as v
from days
left join overdue on overdue.d = days.d
left join rates on rates.d = days.d and rates.currency = overdue.currency
group by days.d
order by days.d
