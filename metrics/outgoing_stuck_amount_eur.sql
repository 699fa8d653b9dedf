/* ---
code: STKE
name: Amount of outgoing payments open for more than 24 hours
short_name: Outgoing stuck, amount
period: snapshot
unit: EUR
direction: lower_is_better
kind: threshold
norm_value: 12500
alert_value: 50000
target_value: 2500
owner:
cuts: [outgoing_payment_journey, money_at_risk]
description: The money in outgoing payments that were created more than 24 hours ago and have not ended yet.
how_to_read: >-
  This much client money is on its way and late. It bears interest and compensation for every further day, and the
  largest payments belong to the clients whose balances the bank can least afford to lose.
methodology: >-
  The amounts of the payments that outgoing_stuck_payments counts, in euro at the last exchange rate known at the
  moment. History shows the largest sum at any moment of a past day, at that day's closing rates. A currency without
  any rate is left out.
notes: >-
  The lines are scaled to the small demo bank of 300 clients; at full size they would be 250,000, 1,000,000 and a
  target of 50,000.
--- */
-- name: value
with closings as (
    select l.payment_id, min(l."timestamp") as closed_at
    from webbank_core.payment_state_log l
    join webbank_dict.payment_state s on s.id = l.state_id
    where s.is_terminal and l."timestamp" <= heartbeat.as_of() at time zone 'UTC'
    group by l.payment_id
),
rates as (
    (
        select distinct on (quote) quote as currency, rate as per_eur
        from currency_rate_rate.rate
        where base = 'EUR' and rate_time <= heartbeat.as_of() at time zone 'UTC'
        order by quote, rate_time desc, id desc
    )
    union all
    select 'EUR', 1
)
select coalesce(round(sum(p.amount / rates.per_eur), 2), 0)
from webbank_core.payment p
join webbank_dict.payment_type t on t.id = p.type_id
join rates on rates.currency = p.currency
left join closings on closings.payment_id = p.id
where
    t.direction = 'OUT'
    and p.create_time < heartbeat.as_of() at time zone 'UTC' - interval '24 hours'
    and closings.payment_id is null

-- name: history
with today as (
    select
        (heartbeat.as_of() at time zone heartbeat.business_timezone())::date as d,
        heartbeat.as_of() at time zone 'UTC' as now_utc
),
days as (
    select
        g.day::date as d,
        g.day::date = today.d as is_today,
        least(
            (g.day + interval '1 day') at time zone heartbeat.business_timezone() at time zone 'UTC',
            today.now_utc
        ) as closes
    from today
    cross join lateral generate_series(
        today.d::timestamp - interval '89 days', today.d::timestamp, interval '1 day'
    ) as g (day)
),
quotes as (
    select
        quote as currency,
        rate as per_eur,
        rate_time,
        lead(rate_time, 1, 'infinity') over (partition by quote order by rate_time, id) as next_time
    from currency_rate_rate.rate
    where base = 'EUR'
),
day_rates as (
    select days.d, quotes.currency, quotes.per_eur
    from days
    join quotes on quotes.rate_time <= days.closes and quotes.next_time > days.closes
    union all
    select d, 'EUR', 1
    from days
),
closings as (
    select l.payment_id, min(l."timestamp") as closed_at
    from webbank_core.payment_state_log l
    join webbank_dict.payment_state s on s.id = l.state_id
    where s.is_terminal and l."timestamp" <= heartbeat.as_of() at time zone 'UTC'
    group by l.payment_id
),
stuck as (
    select
        p.currency, p.amount, p.create_time + interval '24 hours' as stuck_at, closings.closed_at
    from webbank_core.payment p
    join webbank_dict.payment_type t on t.id = p.type_id
    left join closings on closings.payment_id = p.id
    where
        t.direction = 'OUT'
        and coalesce(closings.closed_at, 'infinity') > p.create_time + interval '24 hours'
),
moves as (
    select stuck.currency, stuck.stuck_at as t, stuck.amount as delta
    from stuck
    cross join today
    where stuck.stuck_at < today.now_utc
    union all
    select currency, closed_at, -amount
    from stuck
    where closed_at is not null
),
dated as (
    select
        currency,
        t,
        delta,
        (t at time zone 'UTC' at time zone heartbeat.business_timezone())::date as d
    from moves
    where delta <> 0
),
daily as (
    select d, currency, sum(delta) as delta
    from dated
    group by d, currency
),
openings as (
    select days.d, sum(daily.delta / day_rates.per_eur) as eur
    from days
    join daily on daily.d < days.d
    join day_rates on day_rates.d = days.d and day_rates.currency = daily.currency
    group by days.d
),
steps as (
    select
        dated.d,
        sum(dated.delta / day_rates.per_eur) over (partition by dated.d order by dated.t) as eur,
        sum(dated.delta / day_rates.per_eur) over (partition by dated.d) as whole_day
    from dated
    join day_rates on day_rates.d = dated.d and day_rates.currency = dated.currency
),
extremes as (
    select d, max(eur) as worst, max(whole_day) as whole_day
    from steps
    group by d
)
select
    days.d,
    round(
        coalesce(openings.eur, 0)
        + case
            when days.is_today then coalesce(extremes.whole_day, 0)
            else greatest(coalesce(extremes.worst, 0), 0)
        end,
        2
    ) as v
from days
left join openings on openings.d = days.d
left join extremes on extremes.d = days.d
order by days.d
