/* ---
code: LONG
name: Films longer than two hours, through aliases, quotes and a CTE named like a table
short_name: Long films
period: snapshot
unit: count
direction: higher_is_better
kind: threshold
description: Reads film and language; the CTE `rental` is not the table rental.
how_to_read: The test compares it with a count on the source.
methodology: One query over the landed rows.
--- */
-- name: value
with rental as (
    select f."film_id" from pagila_public."film" as f
    join pagila_public.language as l using (language_id)
    where f.length > 120 -- not from pagila_public.actor
)
select count(*) from rental
