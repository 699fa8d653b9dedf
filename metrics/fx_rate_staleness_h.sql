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
  From currency-rate, which gives webbank its rates. By the time of the rate, not of its delivery. A pair that is no
  longer quoted on purpose has to be excluded here.
--- */
-- name: value
with pairs as (
    select base, quote, max(rate_time) as last_time
    from currency_rate_rate.rate
    where rate_time < heartbeat.as_of() at time zone 'UTC'
    group by base, quote
)
select max(extract(epoch from heartbeat.as_of() at time zone 'UTC' - last_time)) / 3600
from pairs

-- name: history
with silences as (
    select
        rate_time at time zone 'UTC' as since,
        lead(rate_time, 1, heartbeat.as_of() at time zone 'UTC') over (
            partition by base, quote order by rate_time, id
        ) at time zone 'UTC' as until
    from currency_rate_rate.rate
    where rate_time < heartbeat.as_of() at time zone 'UTC'
)
select
    day.d,
    max(extract(epoch from least(silences.until, day.closes) - silences.since)) / 3600 as v
from heartbeat.business_days() day
join silences on silences.since < day.closes and silences.until >= day.opens
where not day.is_today
group by day.d
order by day.d
