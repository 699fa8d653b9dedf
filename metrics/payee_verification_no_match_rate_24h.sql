/* ---
code: PVNM
name: Payee verification, no match, last 24 hours
short_name: Payee name, no match
period: 24h
unit: "%"
direction: lower_is_better
kind: rolling_stat
norm_value: 8
alert_value: 15
target_value:
owner:
cuts: [rejection_reasons]
description: Of the payee verifications of the last 24 hours, the share in which name and account did not match.
how_to_read: >-
  A payer who is told that the name does not match stops or pays a fraudster knowingly. At red either a fraud wave is
  under way, which the bank may have to refund, or the lookup is broken and stops honest payments.
methodology: >-
  Verifications created in the window; 100 x those with result NO_MATCH / all of them. CLOSE_MATCH is a match with a
  hint; NOT_POSSIBLE stays in the denominator. With no verification there is no rate. A past day is the whole business
  day.
notes: From pdvs, which asks the other bank; webbank keeps no result of it.
--- */
-- name: value
select 100.0 * count(*) filter (where result = 'NO_MATCH') / nullif(count(*), 0)
from pdvs_core.payee_verification
where
    create_time >= heartbeat.as_of() at time zone 'UTC' - interval '24 hours'
    and create_time < heartbeat.as_of() at time zone 'UTC'

-- name: history
with checks as (
    select heartbeat.business_day(create_time at time zone 'UTC') as d, result = 'NO_MATCH' as is_no_match
    from pdvs_core.payee_verification
    where create_time >= (select heartbeat.as_of() at time zone 'UTC') - interval '92 days'
)
select day.d, 100.0 * count(*) filter (where checks.is_no_match) / count(*) as v
from heartbeat.business_days() day
join checks on checks.d = day.d
where not day.is_today
group by day.d
order by day.d
