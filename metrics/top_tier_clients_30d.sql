/* ---
code: TOPT
name: Top-tier clients, last 30 days
short_name: Top-tier clients
period: 30d
unit: count
direction: higher_is_better
kind: rolling_stat
norm_value: 2
alert_value: 1
target_value: 8
owner:
cuts: [client_segments, revenue_concentration]
description: How many clients paid at least 500 EUR in fees in the last 30 days.
how_to_read: >-
  One top-tier client pays as much as some twenty ordinary ones. Each one missing here is at least 6,000 EUR of revenue
  a year that goes to another bank.
methodology: >-
  Clients whose posted entries of revenue types (FEE, FX_MARGIN, INTEREST), debits less credits on their accounts, come
  to 500 EUR or more in the window, in euro at the closing rate of the business day of each entry, on the last day at
  the last rate known. A past day is the number at its end.
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
    from heartbeat.business_days(31) day
    join quotes on quotes.d <= day.d and quotes.until > day.d
    union all
    select d, 'EUR', 1
    from heartbeat.business_days(31)
),
fees as (
    select
        a.client_profile_id as client,
        heartbeat.business_day(e.create_time at time zone 'UTC') as d,
        e.currency,
        sum(case e.debit_credit when 'D' then e.amount else -e.amount end) as amount
    from webbank_core.entry e
    join webbank_core.account a on a.id = e.account_id
    join webbank_dict.entry_type t on t.id = e.entry_type_id
    join webbank_dict.entry_state s on s.id = e.entry_state_id
    where
        t.is_revenue
        and s.code = 'POSTED'
        and e.account_id > 0
        and e.create_time >= heartbeat.as_of() at time zone 'UTC' - interval '30 days'
        and e.create_time < heartbeat.as_of() at time zone 'UTC'
    group by 1, 2, 3
),
paid as (
    select fees.client, sum(fees.amount / rates.per_eur) as eur
    from fees
    join rates on rates.d = fees.d and rates.currency = fees.currency
    group by fees.client
)
select count(*)
from paid
where eur >= 500

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
fees as (
    select
        a.client_profile_id as client,
        heartbeat.business_day(e.create_time at time zone 'UTC') as d,
        e.currency,
        sum(case e.debit_credit when 'D' then e.amount else -e.amount end) as amount
    from webbank_core.entry e
    join webbank_core.account a on a.id = e.account_id
    join webbank_dict.entry_type t on t.id = e.entry_type_id
    join webbank_dict.entry_state s on s.id = e.entry_state_id
    where
        t.is_revenue
        and s.code = 'POSTED'
        and e.account_id > 0
        and e.create_time >= (select heartbeat.as_of() at time zone 'UTC') - interval '121 days'
        and e.create_time < (select heartbeat.as_of() at time zone 'UTC')
    group by 1, 2, 3
),
paid as (
    select fees.client, fees.d, sum(fees.amount / rates.per_eur) as eur
    from fees
    join rates on rates.d = fees.d and rates.currency = fees.currency
    group by fees.client, fees.d
),
changes as (
    -- what a client pays counts for 30 days
    select client, d, eur
    from paid
    union all
    select client, d + 30, -eur
    from paid
),
levels as (
    select
        client,
        d,
        lead(d, 1, 'infinity') over (partition by client order by d) as until,
        sum(eur) over (partition by client order by d) as eur
    from changes
),
steps as (
    select d, sum(clients) as clients
    from (
        select d, 1 as clients
        from levels
        where eur >= 500
        union all
        select until, -1
        from levels
        where eur >= 500
    ) step
    group by d
),
counts as (
    select day.d, sum(coalesce(steps.clients, 0)) over (order by day.d) as clients
    from heartbeat.business_days(122) day
    left join steps on steps.d = day.d
)
select counts.d, counts.clients as v
from counts
join heartbeat.business_days() day on day.d = counts.d
where not day.is_today
order by counts.d
