/* ---
code: CARD
name: Cards activated within 14 days
short_name: Cards activated
period: 30d
unit: "%"
direction: higher_is_better
kind: rolling_stat
norm_value: 75
alert_value: 60
target_value: 85
owner:
cuts: [client_segments]
description: Of the cards issued between 44 and 14 days ago, the share that its client activated within 14 days.
how_to_read: >-
  A card that is not activated has cost its production and postage and earns no interchange. Red is money spent on
  plastic in a drawer, and most often a broken delivery or activation step.
methodology: >-
  Cards issued between 44 and 14 days before the moment; 100 x those activated within 14 days of issue / all of them.
  Every card of the cohort has had its 14 days. A past day is the rate at its end.
notes: >-
  From card-management: webbank knows card payments, not cards. It is read from a copy; when the copy stops, freshness
  says so and the number stays what it was.
--- */
-- name: value
select
    100.0 * count(*) filter (where activated_at <= issued_at + interval '14 days')
    / nullif(count(*), 0)
from card_management_card.card
where
    issued_at >= heartbeat.as_of() at time zone 'UTC' - interval '44 days'
    and issued_at < heartbeat.as_of() at time zone 'UTC' - interval '14 days'

-- name: history
select
    day.d,
    100.0 * count(*) filter (where c.activated_at <= c.issued_at + interval '14 days')
    / count(*) as v
from heartbeat.business_days() day
join card_management_card.card c
    on c.issued_at >= day.closes at time zone 'UTC' - interval '44 days'
    and c.issued_at < day.closes at time zone 'UTC' - interval '14 days'
where not day.is_today
group by day.d
order by day.d
