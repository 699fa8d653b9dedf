/* ---
code: RPAC
name: Revenue per active client, last 30 days
short_name: Revenue per client
period: 30d
unit: EUR
direction: higher_is_better
kind: rolling_stat
norm_value: 15
alert_value: 12
target_value: 24
owner:
cuts: [revenue_anatomy, client_segments]
description: What an active client paid on average in the last 30 days.
how_to_read: >-
  When this falls while active_clients_30d holds, the clients stay and their paying business goes elsewhere, or a tariff
  is not charged. Each euro lost here is lost once per active client, every month.
methodology: >-
  revenue_eur_30d divided by active_clients_30d, both of the same 30 days. Without an active client there is no number.
  A past day is the quotient at its end.
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
),
revenue as (
    select round(sum(incomes.amount / rates.per_eur), 2) as eur
    from incomes
    join rates on rates.d = incomes.d and rates.currency = incomes.currency
),
active as (
    select count(distinct a.client_profile_id) as clients
    from webbank_core.entry e
    join webbank_core.account a on a.id = e.account_id
    join webbank_dict.entry_type t on t.id = e.entry_type_id
    join webbank_dict.entry_state s on s.id = e.entry_state_id
    where
        t.code = 'PRINCIPAL'
        and s.code = 'POSTED'
        and e.create_time >= heartbeat.as_of() at time zone 'UTC' - interval '30 days'
        and e.create_time < heartbeat.as_of() at time zone 'UTC'
)
select revenue.eur / nullif(active.clients, 0)
from revenue
cross join active

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
),
activity as (
    select distinct a.client_profile_id as client, heartbeat.business_day(e.create_time at time zone 'UTC') as d
    from webbank_core.entry e
    join webbank_core.account a on a.id = e.account_id
    join webbank_dict.entry_type t on t.id = e.entry_type_id
    join webbank_dict.entry_state s on s.id = e.entry_state_id
    where
        t.code = 'PRINCIPAL'
        and s.code = 'POSTED'
        and e.create_time >= (select heartbeat.as_of() at time zone 'UTC') - interval '121 days'
    and e.create_time < (select heartbeat.as_of() at time zone 'UTC')
),
spans as (
    -- a client counts for 30 days from each day of activity, or until the next one
    select d as begins, least(d + 30, lead(d) over (partition by client order by d)) as ends
    from activity
),
changes as (
    select d, sum(clients) as clients
    from (
        select begins as d, 1 as clients
        from spans
        union all
        select ends, -1
        from spans
    ) change
    group by d
),
levels as (
    select day.d, sum(coalesce(changes.clients, 0)) over (order by day.d) as clients
    from heartbeat.business_days(122) day
    left join changes on changes.d = day.d
)
select rolled.d, round(rolled.eur, 2) / levels.clients as v
from rolled
join levels on levels.d = rolled.d
join heartbeat.business_days() day on day.d = rolled.d
where not day.is_today and levels.clients > 0
order by rolled.d
