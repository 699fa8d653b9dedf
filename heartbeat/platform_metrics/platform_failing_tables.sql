/* ---
code: HBFT
name: Tables that did not land
short_name: Tables not landed
period: snapshot
unit: count
direction: lower_is_better
kind: threshold
norm_value: 0
alert_value: 10
description: >
  Of how many tables the last attempt to land them failed. Their last good rows stay.
how_to_read: >
  Red: more than ten tables are not read from their sources any more, and every number that reads them shows money as it
  was, not as it is. The runbook "A refresh failed" says what to do.
methodology: >
  Tables in the ledger of loads whose last attempt ended with an error. Tables that no source lands any more do not count.
--- */
-- name: value
select count(*) filter (where failed)
from heartbeat.platform_table
