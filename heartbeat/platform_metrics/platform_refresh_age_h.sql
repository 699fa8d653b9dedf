/* ---
code: HBRA
name: Time since the last good refresh
short_name: Last refresh
period: snapshot
unit: h
direction: lower_is_better
kind: threshold
norm_value: 1.5
alert_value: 2.2
description: >
  How long ago most of the metrics that can be computed were. A refresh of everything is due at minute 17 of
  every hour.
how_to_read: >
  Red: two refreshes in a row have not come. Every other number on the wall is as old as this one says, and what is lost
  since then is seen by nobody. The runbook "The engine stalls" says what to do.
methodology: >
  The median of the last computes of the metrics whose last compute was good; those in error say so themselves. The wall asks
  for it whenever it reads, so that it grows while nothing runs. What the history holds was seen by computes: how long
  the refresh before them was ago.
--- */
-- name: value
select coalesce(round(greatest(extract(epoch from heartbeat.as_of() - refreshed_at), 0) / 3600, 1), 0)
from heartbeat.platform_refresh
