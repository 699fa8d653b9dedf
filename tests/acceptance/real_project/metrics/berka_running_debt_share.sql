/* ---
code: RUND
name: Share of running loans in debt
short_name: Running loans in debt
period: snapshot
unit: '%'
direction: lower_is_better
kind: threshold
description: Share of running loans in debt, a figure that was published with the data.
how_to_read: The test compares it with the published figure, to the digit.
methodology: One query over the landed rows.
--- */
-- name: value
select round(100.0 * count(*) filter (where status = 'D') / count(*), 2)
from berka_berka.loan
where status in ('C', 'D')
