"""Euro amounts as the metrics count them: at the closing rate of the business day."""

CLOSING_RATES = """
closing_rate as (
    select day.d, quoted.currency, last_rate.per_eur
      from heartbeat.business_days(%(rate_days)s) as day
     cross join (
        select distinct quote::text as currency from currency_rate_rate.rate where base = 'EUR'
     ) as quoted
     cross join lateral (
        select rate as per_eur
          from currency_rate_rate.rate
         where base = 'EUR' and quote = quoted.currency and rate_time < day.closes at time zone 'UTC'
         order by rate_time desc, id desc
         limit 1
     ) as last_rate
    union all
    select d, 'EUR', 1 from heartbeat.business_days(%(rate_days)s)
)
"""
"""A common table expression: units of each currency in one euro at the end of each of the last
`rate_days` business days, the day of `as_of()` included and at the last rate known. It reads
`currency_rate_rate.rate`."""

REVENUE = f"""
{CLOSING_RATES},
revenue as (
    select a.client_profile_id as client_id,
           e.payment_id,
           e.create_time as at,
           heartbeat.business_day(e.create_time at time zone 'UTC') as d,
           t.code as entry_type,
           case e.debit_credit when 'D' then e.amount else -e.amount end / c.per_eur as eur
      from webbank_core.entry as e
      join webbank_core.account as a on a.id = e.account_id
      join webbank_dict.entry_type as t on t.id = e.entry_type_id
      join webbank_dict.entry_state as s on s.id = e.entry_state_id
      join closing_rate as c
        on c.d = heartbeat.business_day(e.create_time at time zone 'UTC')
       and c.currency = e.currency
     where t.is_revenue and s.code = 'POSTED' and e.account_id > 0
       and e.create_time >= heartbeat.as_of() at time zone 'UTC'
                            - make_interval(days => %(revenue_days)s)
       and e.create_time < heartbeat.as_of() at time zone 'UTC'
)
"""  # noqa: S608 - made of constants
"""Common table expressions: the posted entries of revenue types (FEE, FX_MARGIN, INTEREST) on
client accounts of the last `revenue_days` times 24 hours, debits positive, credits negative, in
euro. `rate_days` must be one more. It reads `REVENUE_TABLES`."""

REVENUE_TABLES = (
    "webbank_core.entry",
    "webbank_core.account",
    "webbank_dict.entry_type",
    "webbank_dict.entry_state",
    "currency_rate_rate.rate",
)
