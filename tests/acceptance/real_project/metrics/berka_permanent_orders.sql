/* ---
code: ORDR
name: Sum of all permanent orders
short_name: Permanent orders
period: snapshot
unit: EUR
direction: higher_is_better
kind: threshold
description: Sum of all permanent orders, a figure that was published with the data.
how_to_read: The test compares it with the published figure, to the digit.
methodology: One query over the landed rows.
--- */
-- name: value
select sum(amount) from berka_berka."order"
