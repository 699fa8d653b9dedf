/* ---
code: LOAN
name: Loans of the Berka bank
short_name: Loans
period: snapshot
unit: count
direction: higher_is_better
kind: threshold
description: Loans of the Berka bank, a figure that was published with the data.
how_to_read: The test compares it with the published figure, to the digit.
methodology: One query over the landed rows.
--- */
-- name: value
select count(*) from berka_berka.loan
