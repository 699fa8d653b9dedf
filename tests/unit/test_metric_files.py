"""The 31 metric files of the bank."""

import re
from pathlib import Path

import pytest

from heartbeat.lint.linter import lint_files
from heartbeat.lint.query_scope import query_scopes
from heartbeat.metrics.metric import Metric
from heartbeat.metrics.metric_file import load_metrics
from heartbeat.project import Project
from heartbeat.syntax_tree import names

REPOSITORY = Path(__file__).parents[2]
LOADED = load_metrics(REPOSITORY / "metrics")
METRICS = LOADED.metrics
UP, DOWN = "higher_is_better", "lower_is_better"
BAND, LINES = "rolling_stat", "threshold"
TABLE = {
    "application_approval_rate": ("APRV", "30d", UP, BAND),
    "applications_submitted_24h": ("APPL", "24h", UP, BAND),
    "onboarding_time_p50_h_30d": ("ONBT", "30d", DOWN, BAND),
    "onboarding_conversion_funnel": ("OFUN", "funnel", UP, LINES),
    "onboarding_review_oldest_age_h": ("ONBQ", "snapshot", DOWN, LINES),
    "active_clients_30d": ("ACTC", "30d", UP, BAND),
    "top_tier_clients_30d": ("TOPT", "30d", UP, BAND),
    "top10_revenue_share_30d": ("TOPS", "30d", DOWN, LINES),
    "top_tier_dormant_clients": ("DORM", "snapshot", DOWN, LINES),
    "outgoing_approval_rate_24h": ("OAPR", "24h", UP, BAND),
    "outgoing_sepa_credit_processing_time_p50_min_24h": ("OSEP", "24h", DOWN, BAND),
    "outgoing_other_processing_time_p50_min_7d": ("OOTH", "7d", DOWN, BAND),
    "outgoing_stuck_payments": ("STUK", "snapshot", DOWN, LINES),
    "outgoing_stuck_amount_eur": ("STKE", "snapshot", DOWN, LINES),
    "payment_reject_rate_7d": ("REJR", "7d", DOWN, BAND),
    "revenue_eur_24h": ("REVD", "24h", UP, BAND),
    "revenue_eur_30d": ("REVM", "30d", UP, LINES),
    "revenue_per_active_client_30d": ("RPAC", "30d", UP, BAND),
    "client_turnover_eur_7d": ("TURN", "7d", UP, BAND),
    "client_balances_eur": ("BALS", "snapshot", UP, BAND),
    "balance_outflow_pct_7d": ("OUTF", "7d", UP, LINES),
    "negative_balance_exposure_eur": ("NEGB", "snapshot", DOWN, LINES),
    "ledger_imbalance_eur": ("LEDG", "snapshot", DOWN, LINES),
    "collateral_overdue_days_max": ("COLD", "snapshot", DOWN, LINES),
    "collateral_overdue_eur": ("COLE", "snapshot", DOWN, LINES),
    "aml_retrospective_throughput_24h": ("AMLT", "24h", UP, BAND),
    "aml_retrospective_backlog": ("AMLB", "snapshot", DOWN, LINES),
    "aml_retrospective_decision_p90_h_7d": ("AMLD", "7d", DOWN, BAND),
    "fx_rate_staleness_h": ("FXST", "snapshot", DOWN, LINES),
    "payee_verification_no_match_rate_24h": ("PVNM", "24h", DOWN, BAND),
    "card_activation_rate_30d": ("CARD", "30d", UP, BAND),
}
# at full size; what scales with volume has a tenth of it in the demo's files
LINES_AT_SCALE_1 = {
    "APRV": (55, 45, 65),
    "APPL": (25, 10, 40),
    "ONBT": (72, 120, 48),
    "OFUN": (45, 35, 55),
    "ONBQ": (48, 120, 24),
    "TOPS": (45, 60, 35),
    "DORM": (1, 3, 0),
    "OAPR": (96, 92, 98),
    "OSEP": (60, 240, 30),
    "OOTH": (480, 1440, 240),
    "STUK": (20, 60, 5),
    "STKE": (250_000, 1_000_000, 50_000),
    "REJR": (3, 6, 1.5),
    "NEGB": (5_000, 25_000, 0),
    "COLD": (7, 30, 0),
    "COLE": (10_000, 50_000, 0),
    "AMLB": (50, 150, 10),
    "AMLD": (24, 72, 12),
    "CARD": (75, 60, 85),
}
SCALES_WITH_VOLUME = {"APPL", "STUK", "STKE", "AMLB"}


def test_all_metrics_are_there_with_their_codes_periods_directions_and_kinds() -> None:
    assert LOADED.problems == ()
    assert {m.metric_id: (m.code, m.period, m.direction, m.kind) for m in METRICS} == TABLE


def test_their_lines_are_those_of_the_table() -> None:
    lines = {m.code: (m.norm_value, m.alert_value, m.target_value) for m in METRICS}
    expected = {
        code: tuple(value / 10 if code in SCALES_WITH_VOLUME else value for value in values)
        for code, values in LINES_AT_SCALE_1.items()
    }
    assert {code: tuple(map(float, lines[code])) for code in expected} == expected  # type: ignore[arg-type]


def test_the_budget_has_a_date_and_lines_5_and_15_per_cent_below_it() -> None:
    (budget,) = [m for m in METRICS if m.code == "REVM"]
    assert budget.target_due_date is not None
    assert budget.target_value is not None
    assert budget.norm_value == pytest.approx(budget.target_value * 95 / 100)
    assert budget.alert_value == pytest.approx(budget.target_value * 85 / 100)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.metric_id)
def test_a_metric_tells_what_it_is_what_red_costs_and_how_it_is_counted(metric: Metric) -> None:
    for text in (metric.description, metric.how_to_read, metric.methodology, metric.notes):
        assert len(text.split()) >= 8
    assert metric.cuts != ()
    assert metric.history_sql is not None


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.metric_id)
def test_a_metric_on_another_source_than_webbank_says_why(metric: Metric) -> None:
    others = ("aml_", "pdvs_", "card_management_")
    if any(table.schema.startswith(others) for table in metric.reads):
        assert "webbank" in metric.notes
    if metric.code == "FXST":
        assert "currency-rate" in metric.notes


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.metric_id)
def test_a_metric_reads_the_moment_and_has_no_correlated_subquery(metric: Metric) -> None:
    for sql in (metric.value_sql, metric.history_sql or ""):
        assert "heartbeat.as_of()" in sql or "heartbeat.business_days(" in sql
        assert not re.search(r"\bnow\(\)|current_(date|timestamp)|\blateral\b", sql)
        assert outer_names(sql) == []


def test_the_check_sees_a_correlated_subquery() -> None:
    sql = "select (select max(b.x) from s.b b where b.id = a.id) from s.a a"
    assert outer_names(sql) == ["a.id"]


def outer_names(sql: str) -> list[str]:
    """The columns by which a query in the query refers to what is around it."""
    _, query = query_scopes(sql)
    return [
        ".".join(name)
        for scope in query.scopes()
        for kind, node in scope.nodes()
        if kind == "ColumnRef" and len(name := names(node["fields"])) > 1
        if (owner := scope.owner(name[-2])) and owner[0] is not scope
    ]


def test_the_linter_has_nothing_to_say_of_the_files() -> None:
    assert [str(each) for each in lint_files(Project(REPOSITORY))] == []
