/* ---
code: CLBD
name: Share of closed loans that were not paid
short_name: Closed loans unpaid
period: snapshot
unit: '%'
direction: lower_is_better
kind: threshold
description: Share of closed loans that were not paid, a figure that was published with the data.
how_to_read: The test compares it with the published figure, to the digit.
methodology: One query over the landed rows.
--- */
-- name: value
select round(100.0 * count(*) filter (where status = 'B') / count(*), 2)
from berka_berka.loan
where status in ('A', 'B')
