/* ---
code: PAYN
name: Payments of the DVD rental
short_name: Rental payments
period: snapshot
unit: count
direction: higher_is_better
kind: threshold
description: Payments of the DVD rental, a figure that was published with the data.
how_to_read: The test compares it with the published figure, to the digit.
methodology: One query over the landed rows.
--- */
-- name: value
select count(*) from pagila_public.payment
