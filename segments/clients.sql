/* ---
segments:
  new: became active less than 30 days ago, whatever the client has paid since
  top: paid at least 500 EUR in the last 30 days
  core: paid at least 50 EUR in the last 30 days
  small: paid less, and moved money in the last 60 days
  dormant: moved no money in the last 60 days
description: >-
  Where the clients stand, day by day. The way from one segment to another tells earlier than revenue who grows and who
  is about to leave.
methodology: >-
  The clients whose last state is ACTIVE. A client belongs to the first segment that fits, in the order new, dormant,
  top, core, small. Paid are posted entries of revenue types (FEE, FX_MARGIN, INTEREST), debits less credits, in euro at
  the closing rate of the business day of each entry, on the last day at the last rate known. Money moves with a posted
  PRINCIPAL entry, in or out; fees that the bank books by itself do not count.
--- */
-- name: segments
with quotes as (
    select distinct quote as currency
    from currency_rate_rate.rate
    where base = 'EUR'
),
rates as (
    select day.d, quotes.currency, closing.per_eur
    from heartbeat.business_days(31) day
    cross join quotes
    cross join lateral (
        select rate as per_eur
        from currency_rate_rate.rate
        where base = 'EUR' and quote = quotes.currency and rate_time < day.closes at time zone 'UTC'
        order by rate_time desc, id desc
        limit 1
    ) closing
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
moved as (
    select distinct a.client_profile_id as client
    from webbank_core.entry e
    join webbank_core.account a on a.id = e.account_id
    join webbank_dict.entry_type t on t.id = e.entry_type_id
    join webbank_dict.entry_state s on s.id = e.entry_state_id
    where
        t.code = 'PRINCIPAL'
        and s.code = 'POSTED'
        and e.create_time >= heartbeat.as_of() at time zone 'UTC' - interval '60 days'
        and e.create_time < heartbeat.as_of() at time zone 'UTC'
),
clients as (
    select
        l.client_profile_id as client,
        min(l."timestamp") filter (where s.code = 'ACTIVE') as active_since,
        (array_agg(s.code order by l."timestamp" desc, l.id desc))[1] as state
    from webbank_core.client_profile_state_log l
    join webbank_dict.profile_state s on s.id = l.profile_state
    where l."timestamp" < heartbeat.as_of() at time zone 'UTC'
    group by l.client_profile_id
)
select
    clients.client,
    case
        when clients.active_since >= heartbeat.as_of() at time zone 'UTC' - interval '30 days' then 'new'
        when moved.client is null then 'dormant'
        when paid.eur >= 500 then 'top'
        when paid.eur >= 50 then 'core'
        else 'small'
    end as segment
from clients
left join paid on paid.client = clients.client
left join moved on moved.client = clients.client
where clients.state = 'ACTIVE'
