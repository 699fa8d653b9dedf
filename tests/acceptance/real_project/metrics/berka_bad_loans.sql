/* ---
code: BADL
name: Loans finished unpaid or in debt
short_name: Bad loans
period: snapshot
unit: count
direction: lower_is_better
kind: threshold
description: Loans finished unpaid or in debt, a figure that was published with the data.
how_to_read: The test compares it with the published figure, to the digit.
methodology: One query over the landed rows.
--- */
-- name: value
select count(*) from berka_berka.loan where status in ('B', 'D')
