"""Which count is which metric's, and the file that holds them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from demo_bank.incidents import Incidents
from demo_bank.simulation import Bank
from demo_bank.truth import exposure, money, onboarding, transactions
from demo_bank.truth.calendar import DAY, Number, closes, day_of
from demo_bank.truth.evidence import Evidence

DAYS = 30


@dataclass(frozen=True)
class Count:
    """How a metric is counted at a moment, and on a past day where that is not its end."""

    at: Callable[[Evidence, np.datetime64], Number]
    worst_of: Callable[[Evidence, np.datetime64], Number] | None = None

    def on(self, seen: Evidence, day: np.datetime64) -> Number:
        """A flow is counted at the end of the day, a snapshot at its worst moment."""
        return self.worst_of(seen, day) if self.worst_of else self.at(seen, closes(day))


COUNTS: Mapping[str, Count] = {
    "application_approval_rate": Count(onboarding.approval_rate),
    "applications_submitted_24h": Count(onboarding.applications),
    "onboarding_time_p50_h_30d": Count(onboarding.onboarding_time),
    "onboarding_conversion_funnel": Count(onboarding.conversion),
    "onboarding_review_oldest_age_h": Count(onboarding.review_age, onboarding.worst_review_age),
    "active_clients_30d": Count(money.active_clients),
    "top_tier_clients_30d": Count(money.top_tier),
    "top10_revenue_share_30d": Count(money.top_share),
    "top_tier_dormant_clients": Count(money.dormant, money.worst_dormant),
    "outgoing_approval_rate_24h": Count(transactions.approval_rate),
    "outgoing_sepa_credit_processing_time_p50_min_24h": Count(transactions.sepa_minutes),
    "outgoing_other_processing_time_p50_min_7d": Count(transactions.other_minutes),
    "outgoing_stuck_payments": Count(transactions.stuck_count, transactions.worst_stuck_count),
    "outgoing_stuck_amount_eur": Count(transactions.stuck_amount, transactions.worst_stuck_amount),
    "payment_reject_rate_7d": Count(transactions.reject_rate),
    "revenue_eur_24h": Count(money.revenue_1),
    "revenue_eur_30d": Count(money.revenue_30),
    "revenue_per_active_client_30d": Count(money.revenue_per_client),
    "client_turnover_eur_7d": Count(money.turnover),
    "client_balances_eur": Count(money.balances, money.lowest_balances),
    "balance_outflow_pct_7d": Count(money.outflow),
    "negative_balance_exposure_eur": Count(money.debts, money.worst_debts),
    "ledger_imbalance_eur": Count(money.imbalance, money.worst_imbalance),
    "collateral_overdue_days_max": Count(exposure.overdue_days, exposure.worst_overdue_days),
    "collateral_overdue_eur": Count(exposure.overdue_amount, exposure.worst_overdue_amount),
    "aml_retrospective_throughput_24h": Count(exposure.decisions),
    "aml_retrospective_backlog": Count(exposure.backlog, exposure.worst_backlog),
    "aml_retrospective_decision_p90_h_7d": Count(exposure.decision_hours),
    "fx_rate_staleness_h": Count(exposure.staleness, exposure.worst_staleness),
    "payee_verification_no_match_rate_24h": Count(exposure.no_match_rate),
    "card_activation_rate_30d": Count(onboarding.card_activation),
}


def truth(bank: Bank) -> dict[str, Any]:
    """What is in truth.json: the true values of a bank with every incident and with none."""
    return {
        "anchor": f"{bank.anchor}Z",
        "with_incidents": true_values(bank, bank.default_incidents()),
        "without_incidents": true_values(bank, {}),
    }


def true_values(bank: Bank, incidents: Incidents) -> dict[str, Any]:
    """By metric: `value` at the anchor, and `history` of the 30 days before it, by day."""
    seen = Evidence(bank, incidents)
    today = day_of(bank.anchor)
    past = [today - ago * DAY for ago in range(DAYS, 0, -1)]
    return {
        metric_id: {
            "value": _plain(count.at(seen, bank.anchor)),
            "history": {str(day): _plain(count.on(seen, day)) for day in past},
        }
        for metric_id, count in COUNTS.items()
    }


def _plain(number: Number) -> int | float | None:
    return float(number) if isinstance(number, Decimal) else number
