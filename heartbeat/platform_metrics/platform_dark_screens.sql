/* ---
code: HBDS
name: Screens that have gone dark
short_name: Dark screens
period: snapshot
unit: count
direction: lower_is_better
kind: threshold
norm_value: 0
alert_value: 3
description: >
  How many screens have shown a wall for an hour or longer and have not reported for three minutes.
how_to_read: >
  Red: more than three screens show nothing, and whoever relies on them learns of a loss when it has grown. The runbook
  "A screen is dark" says what to do.
methodology: >
  A wall reports every 30 seconds while it can. A screen that was taken down counts until it is forgotten, after as many
  days as runs are kept.
--- */
-- name: value
select count(*) filter (
    where last_seen < heartbeat.as_of() - interval '3 minutes' and last_seen - first_seen >= interval '1 hour'
)
from heartbeat.platform_screen
