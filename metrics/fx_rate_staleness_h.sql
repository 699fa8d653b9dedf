/* ---
code: FXST
name: Exchange rates, age of the oldest pair
short_name: FX rate age
period: snapshot
unit: h
direction: lower_is_better
kind: threshold
norm_value: 2
alert_value: 6
target_value:
owner:
cuts: [source_freshness_timeline]
description: How old the last rate is of the currency pair that was quoted longest ago.
how_to_read: >-
  The bank goes on exchanging at the old rate while the market moves. With every hour the margin shrinks and turns into
  a loss on each exchange, and those who notice will use it on purpose.
methodology: >-
  The moment less the last rate_time of each pair, in hours; the oldest pair. History shows the largest age that any
  pair reached on a past day, so a gap that was closed before midnight is still seen.
notes: >-
  By the time of the rate, not of its delivery. A pair that is no longer quoted on purpose has to be excluded here.
--- */
-- name: value
with pairs as (
    select base, quote, max(rate_time) as last_time
    from currency_rate_rate.rate
    where rate_time <= heartbeat.as_of() at time zone 'UTC'
    group by base, quote
)
select max(extract(epoch from heartbeat.as_of() at time zone 'UTC' - last_time)) / 3600
from pairs

-- name: history
with today as (
    select
        (heartbeat.as_of() at time zone heartbeat.business_timezone())::date as d,
        heartbeat.as_of() at time zone 'UTC' as now_utc
),
silences as (
    select
        r.rate_time as since,
        lead(r.rate_time) over (partition by r.base, r.quote order by r.rate_time) as ended_at
    from currency_rate_rate.rate r
    cross join today
    where r.rate_time <= today.now_utc
),
touched as (
    -- a silence counts on every day that it touches, with the age that it reached by that day's end
    select
        g.day::date as d,
        silences.ended_at is null and g.day::date = today.d as is_value,
        least(
            coalesce(silences.ended_at, today.now_utc),
            (g.day + interval '1 day') at time zone heartbeat.business_timezone() at time zone 'UTC'
        ) - silences.since as age
    from silences
    cross join today
    cross join lateral generate_series(
        (silences.since at time zone 'UTC' at time zone heartbeat.business_timezone())::date::timestamp,
        coalesce(silences.ended_at, today.now_utc)
        at time zone 'UTC' at time zone heartbeat.business_timezone(),
        interval '1 day'
    ) as g (day)
)
select touched.d, max(extract(epoch from touched.age)) / 3600 as v
from touched
cross join today
where touched.d > today.d - 90 and (touched.d < today.d or touched.is_value)
group by touched.d
order by touched.d
