/* ---
code: DORM
name: Large clients that fell silent
short_name: Top clients, silent
period: snapshot
unit: count
direction: lower_is_better
kind: threshold
norm_value: 1
alert_value: 3
target_value: 0
owner:
cuts: [dormancy_watchlist, revenue_concentration]
description: How many of the 20 clients who paid the most in the last 90 days have done no business for 14 days.
how_to_read: >-
  A large client rarely says goodbye: it opens an account elsewhere and stops paying through this one. Each one here is
  worth the fees of dozens of others, and a call in the first weeks is what still helps.
methodology: >-
  The 20 clients with the highest posted revenue (FEE, FX_MARGIN, INTEREST) of the last 90 days, in euro at the closing
  rate of the business day of each entry, on the last day at the last rate known; of them those without a posted
  PRINCIPAL entry, in or out, in the last 14 days. History takes the 20 at the end of a past day and shows the most that
  were silent at any moment of it.
notes: Fees that the bank books by itself do not count as business. Companies on summer leave are silent too.
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
    from heartbeat.business_days(91) day
    join quotes on quotes.d <= day.d and quotes.until > day.d
    union all
    select d, 'EUR', 1
    from heartbeat.business_days(91)
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
        and e.create_time >= heartbeat.as_of() at time zone 'UTC' - interval '90 days'
        and e.create_time < heartbeat.as_of() at time zone 'UTC'
    group by 1, 2, 3
),
paid as (
    select fees.client, sum(fees.amount / rates.per_eur) as eur
    from fees
    join rates on rates.d = fees.d and rates.currency = fees.currency
    group by fees.client
),
top as (
    select client
    from paid
    order by eur desc, client
    limit 20
),
active as (
    select distinct a.client_profile_id as client
    from webbank_core.entry e
    join webbank_core.account a on a.id = e.account_id
    join webbank_dict.entry_type t on t.id = e.entry_type_id
    join webbank_dict.entry_state s on s.id = e.entry_state_id
    where
        t.code = 'PRINCIPAL'
        and s.code = 'POSTED'
        and e.create_time >= heartbeat.as_of() at time zone 'UTC' - interval '14 days'
        and e.create_time < heartbeat.as_of() at time zone 'UTC'
)
select count(*)
from top
left join active on active.client = top.client
where active.client is null

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
    from heartbeat.business_days(182) day
    join quotes on quotes.d <= day.d and quotes.until > day.d
    union all
    select d, 'EUR', 1
    from heartbeat.business_days(182)
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
        and e.create_time >= (select heartbeat.as_of() at time zone 'UTC') - interval '181 days'
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
    -- what a client pays counts for 90 days
    select client, ago, eur
    from paid
    union all
    select client, ago - 90, -eur
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
leaders as materialized (
    select ago, client
    from ranked
    where place <= 20
),
top as (
    select
        day.d,
        day.opens at time zone 'UTC' as opens,
        day.closes at time zone 'UTC' as closes,
        leaders.client
    from heartbeat.business_days() day
    join leaders on leaders.ago = heartbeat.business_day(heartbeat.as_of()) - day.d
    where not day.is_today
),
business as (
    select a.client_profile_id as client, e.create_time as t
    from webbank_core.entry e
    join webbank_core.account a on a.id = e.account_id
    join (select distinct client from top) ever_top on ever_top.client = a.client_profile_id
    join webbank_dict.entry_type t on t.id = e.entry_type_id
    join webbank_dict.entry_state s on s.id = e.entry_state_id
    where
        t.code = 'PRINCIPAL'
        and s.code = 'POSTED'
        and e.create_time < (select heartbeat.as_of() at time zone 'UTC')
),
silences as (
    -- from 14 days after a transaction until the next one
    select
        client,
        t + interval '14 days' as begins,
        lead(t, 1, 'infinity') over (partition by client order by t) as ends
    from business
),
met as (
    select top.d, greatest(silences.begins, top.opens) as begins, silences.ends
    from top
    join silences
        on silences.client = top.client
        and silences.begins < top.closes
        and silences.ends >= top.opens
    where silences.ends > silences.begins
),
turns as (
    select d, begins as t, 1 as clients
    from met
    union all
    select d, ends, -1
    from met
),
counts as (
    select d, sum(clients) over (partition by d order by t, clients desc) as clients
    from turns
)
select day.d, coalesce(max(counts.clients), 0) as v
from heartbeat.business_days() day
left join counts on counts.d = day.d
where not day.is_today
group by day.d
order by day.d
