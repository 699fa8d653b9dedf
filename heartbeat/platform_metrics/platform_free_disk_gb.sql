/* ---
code: HBFD
name: Free space on the disk of the state folder
short_name: Free disk
period: snapshot
unit: GB
direction: higher_is_better
kind: threshold
norm_value: 10
alert_value: 3
description: >
  What is free on the disk of the state folder, in units of 1,000,000,000 bytes; with the embedded database its rows and its
  log are there, too.
how_to_read: >
  Red: the next refreshes may fail on a full disk, and then no number is new; what nobody sees meanwhile is what it costs.
  The runbook "The disk fills up" says what to do.
methodology: >
  The least among the machines that run Heartbeat, as the API and each refresh see it. The disk of a database server of
  your own is not seen from here: its own monitoring has to watch it.
--- */
-- name: value
-- Whole from 10 on, so that a wall does not change with every file that is written.
select round(least_free.gb, case when least_free.gb < 10 then 1 else 0 end)
from (select min(free_bytes) / 1000000000.0 as gb from heartbeat.platform_disk) as least_free
