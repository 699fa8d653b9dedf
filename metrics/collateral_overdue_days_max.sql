/* ---
code: COLD
name: Overdue collateral, oldest
short_name: Collateral overdue, oldest
period: snapshot
unit: d
direction: lower_is_better
kind: threshold
norm_value: 7
alert_value: 30
target_value: 0
owner:
cuts: [money_at_risk]
description: For how many days the collateral that has been overdue longest has not been paid by its client.
how_to_read: >-
  A card scheme wants its collateral on the due date whoever pays. Every day shown is a day on which the bank's own
  money secures a client's business, and after a month the chance to see it again falls fast.
methodology: >-
  Today less the due date, for collaterals whose client has paid less than was required and that are not released; only
  payments with paid_by CLIENT count. What the bank covered from its own funds is still overdue, whatever the state of
  the collateral says. History shows the start of each past day, its worst moment.
notes: >-
  Today is the date in the business time zone. A released collateral counts until its last update, which is the release.
--- */
-- name: value
with paid as (
    select collateral_id, sum(amount) as amount
    from webbank_core.collateral_payment
    where paid_by = 'CLIENT' and paid_at < heartbeat.as_of() at time zone 'UTC'
    group by collateral_id
),
overdue as (
    select
        c.currency,
        heartbeat.business_day(heartbeat.as_of()) - c.due_date as days,
        c.required_amount - coalesce(paid.amount, 0) as amount
    from webbank_core.collateral c
    join webbank_dict.collateral_state s on s.id = c.state_id
    left join paid on paid.collateral_id = c.id
    where
        c.due_date < heartbeat.business_day(heartbeat.as_of())
        and c.create_time < heartbeat.as_of() at time zone 'UTC'
        and (s.code <> 'RELEASED' or c.update_time >= heartbeat.as_of() at time zone 'UTC')
        and c.required_amount > coalesce(paid.amount, 0)
)
select coalesce(max(days), 0)
from overdue

-- name: history
with days as (
    -- what is overdue only shrinks within a day, so the worst moment of a past day is its start
    select d, opens at time zone 'UTC' as moment
    from heartbeat.business_days()
    where not is_today
),
paid as (
    select days.d, p.collateral_id, sum(p.amount) as amount
    from days
    join webbank_core.collateral_payment p on p.paid_by = 'CLIENT' and p.paid_at < days.moment
    group by days.d, p.collateral_id
),
overdue as (
    select
        days.d,
        c.currency,
        days.d - c.due_date as days,
        c.required_amount - coalesce(paid.amount, 0) as amount
    from days
    join webbank_core.collateral c on c.due_date < days.d and c.create_time < days.moment
    join webbank_dict.collateral_state s on s.id = c.state_id
    left join paid on paid.d = days.d and paid.collateral_id = c.id
    where
        (s.code <> 'RELEASED' or c.update_time >= days.moment)
        and c.required_amount > coalesce(paid.amount, 0)
)
select days.d, coalesce(max(overdue.days), 0) as v
from days
left join overdue on overdue.d = days.d
group by days.d
order by days.d
