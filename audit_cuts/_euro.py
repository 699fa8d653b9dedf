"""Euro amounts as the metrics count them: at the closing rate of the business day."""

CLOSING_RATES = """
closing_rate as materialized (
    select day.d, quoted.currency, last_rate.per_eur
      from heartbeat.business_days(%(rate_days)s) as day
     cross join (
        select distinct quote as currency from currency_rate_rate.rate where base = 'EUR'
     ) as quoted
     cross join lateral (
        select rate as per_eur
          from currency_rate_rate.rate
         where base = 'EUR' and quote = quoted.currency
           and rate_time < day.closes at time zone 'UTC'
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
