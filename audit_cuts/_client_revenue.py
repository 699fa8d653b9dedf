"""Revenue by client as the metrics count it, in the recent and in the earlier part of a span."""

from ._euro import CLOSING_RATES

CLIENT_REVENUE = f"""
{CLOSING_RATES}, fee as (
    select a.client_profile_id as client_id,
           e.currency,
           (e.create_time at time zone 'UTC'
                          at time zone (select heartbeat.business_timezone()))::date as d,
           e.create_time >= (select heartbeat.as_of() at time zone 'UTC'
                                    - make_interval(days => %(recent_days)s)) as is_recent,
           sum(case e.debit_credit when 'D' then e.amount else -e.amount end) as amount
      from webbank_core.entry as e
      join webbank_core.account as a on a.id = e.account_id
     where e.entry_type_id = any (array(
               select id from webbank_dict.entry_type where is_revenue))
       and e.entry_state_id = any (array(
               select id from webbank_dict.entry_state where code = 'POSTED'))
       and e.account_id > 0
       and e.create_time >= (select heartbeat.as_of() at time zone 'UTC'
                                    - make_interval(days => %(revenue_days)s))
       and e.create_time < (select heartbeat.as_of() at time zone 'UTC')
     group by 1, 2, 3, 4
), client_revenue as (
    select fee.client_id,
           sum(fee.amount / closing_rate.per_eur) filter (where fee.is_recent) as recent_eur,
           sum(fee.amount / closing_rate.per_eur) filter (where not fee.is_recent) as earlier_eur
      from fee
      join closing_rate on closing_rate.d = fee.d and closing_rate.currency = fee.currency
     group by fee.client_id
)
"""  # noqa: S608 - made of constants
"""Common table expressions up to `client_revenue (client_id, recent_eur, earlier_eur)`: the posted
entries of revenue types (FEE, FX_MARGIN, INTEREST) on client accounts, debits positive, credits
negative, in euro at the closing rate of the business day of each. `recent_eur` is of the last
`recent_days` times 24 hours, `earlier_eur` of what is before, back to `revenue_days`; null where
there was no entry. It reads `CLIENT_REVENUE_TABLES`."""

CLIENT_REVENUE_TABLES = (
    "webbank_core.entry",
    "webbank_core.account",
    "webbank_dict.entry_type",
    "webbank_dict.entry_state",
    "currency_rate_rate.rate",
)


def revenue_span(days: int, *, recent_days: int) -> dict[str, int]:
    """The parameters of `CLIENT_REVENUE` for a span of days x 24 hours up to now."""
    return {"revenue_days": days, "recent_days": recent_days, "rate_days": days + 1}
