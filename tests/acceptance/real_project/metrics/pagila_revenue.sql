/* ---
code: PAYS
name: Money from all rentals
short_name: Rental revenue
period: snapshot
unit: EUR
direction: higher_is_better
kind: threshold
description: Money from all rentals, a figure that was published with the data.
how_to_read: The test compares it with the published figure, to the digit.
methodology: One query over the landed rows.
--- */
-- name: value
select sum(amount) from pagila_public.payment
