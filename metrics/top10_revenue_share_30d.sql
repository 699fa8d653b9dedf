/* ---
code: TOPS
name: Revenue from the ten largest clients, last 30 days
short_name: Top-10 revenue share
period: 30d
unit: "%"
direction: lower_is_better
kind: threshold
norm_value: 45
alert_value: 60
target_value: 35
owner:
cuts: [revenue_concentration, client_segments]
description: What share of the last 30 days' revenue the ten clients brought who paid the most.
how_to_read: >-
  At the red line the loss of ten names would cost more than half of the income while the costs stay. One of them who
  asks for a better price is asking for a part of the bank's result.
methodology: >-
  Posted entries of revenue types (FEE, FX_MARGIN, INTEREST) by client, debits less credits on client accounts, in euro
  at the closing rate of the business day of each entry, on the last day at the last rate known; 100 x the sum of the
  ten largest / the sum of all. A past day is the share at its end.
notes: A small bank is concentrated by nature; the lines are for one with several hundred clients or more.
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
),
ranked as (
    select eur, row_number() over (order by eur desc) as place
    from paid
)
select 100 * sum(eur) filter (where place <= 10) / nullif(sum(eur), 0)
from ranked

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
    -- doubles rank as well as numerics, and faster
    select
        fees.client,
        heartbeat.business_day(heartbeat.as_of()) - fees.d as ago,
        sum(fees.amount / rates.per_eur)::double precision as eur
    from fees
    join rates on rates.d = fees.d and rates.currency = fees.currency
    group by fees.client, fees.d
),
changes as (
    -- what a client pays counts for 30 days
    select client, ago, eur
    from paid
    union all
    select client, ago - 30, -eur
    from paid
),
levels as (
    -- from so many days ago until the day before the next change
    select
        client,
        ago,
        lead(ago, 1, 0) over (partition by client order by ago desc) as next_ago,
        sum(eur) over (partition by client order by ago desc) as eur
    from changes
),
by_day as (
    select client, eur, generate_series(greatest(next_ago, 0) + 1, least(ago, 89)) as ago
    from levels
    where eur > 0.005
),
ranked as (
    select
        ago,
        client,
        eur,
        row_number() over (partition by ago order by eur desc, client) as place
    from by_day
),
shares as (
    select ago, 100 * sum(eur) filter (where place <= 10) / sum(eur) as v
    from ranked
    group by ago
)
select day.d, shares.v
from heartbeat.business_days() day
join shares on shares.ago = heartbeat.business_day(heartbeat.as_of()) - day.d
where not day.is_today
order by day.d
