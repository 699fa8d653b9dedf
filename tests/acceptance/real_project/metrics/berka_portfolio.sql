/* ---
code: PORT
name: Sum of all granted loans
short_name: Loan portfolio
period: snapshot
unit: EUR
direction: higher_is_better
kind: threshold
description: Sum of all granted loans, a figure that was published with the data.
how_to_read: The test compares it with the published figure, to the digit.
methodology: One query over the landed rows.
--- */
-- name: value
select sum(amount) from berka_berka.loan
