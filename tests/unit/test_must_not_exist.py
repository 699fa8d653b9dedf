"""Numbers whose right source is not landed must not be shipped, not even from a similar source."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from heartbeat.audit.audit_cut import AuditCut, load_cuts
from heartbeat.metrics.metric import Metric
from heartbeat.metrics.metric_file import load_metrics, parse_metric
from heartbeat.source import load_sources
from heartbeat.syntax_tree import names, walk
from heartbeat.table_reference import query_of, table_references

REPOSITORY = Path(__file__).parents[2]
INVENTORY = REPOSITORY / "docs" / "sources" / "README.md"
DOCUMENTS = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")])
METRICS = load_metrics(REPOSITORY / "metrics").metrics
CUTS = load_cuts(REPOSITORY / "audit_cuts").cuts

SUBJECTS = {
    "KYC pass rate": r"kyc[^.|]*\b(pass|fail|rate)",
    "screening failures": r"(fail\w*[^.|]*screening|screening[^.|]*fail)",
    "bank-only processing time": r"bank('s)?[ -](own|only)[ -]processing",
    "SEPA volumes": r"\bsepa\b[^.|]*\bvolume|volume[^.|]*\bsepa\b",
    "SEPA Instant times": r"\binstant\b[^.|]*\b(times?|median|latency|duration)\b",
    "SEPA rejection rate": r"\bsepa\b[^.|]*\breject",
    "back-office queues": r"back[ -]office queue",
    "CRM funnel": r"\bcrm\b",
    "web analytics": r"web analytics|page views",
    "notification delivery": r"notification[^.|]*deliver|deliver\w*[^.|]*notification",
    "vmi": r"\bvmi\b",
}
# systems that are not landed, the one that is landed and wrong, and what they are known by
FORBIDDEN_TABLES = re.compile(r"^(vss|bpm|notification|vmi|mms|mms_inst|mss_kart)(_|\.)")
FORBIDDEN_TABLE_NAMES = {"kyc_verification_status"}
FORBIDDEN_COLUMNS = {"kyc_verification_status_id"}
# may single out SEPA: how long webbank sees its own SEPA credits take
MAY_NAME_SEPA = {"outgoing_sepa_credit_processing_time_p50_min_24h"}


def subjects_of(text: str) -> list[str]:
    return [name for name, pattern in SUBJECTS.items() if re.search(pattern, text, re.IGNORECASE)]


def offences_of_sql(sql: str, metric_id: str) -> Iterator[str]:
    for table in table_references(sql):
        if FORBIDDEN_TABLES.match(str(table)) or table.table in FORBIDDEN_TABLE_NAMES:
            yield f"reads {table}"
    for kind, node in walk(query_of(sql).fields):
        if kind == "ColumnRef" and FORBIDDEN_COLUMNS.intersection(names(node["fields"])[-1:]):
            yield f"reads {names(node['fields'])[-1]}"
        text = node.get("sval", {}).get("sval", "") if kind == "A_Const" else ""
        if text.startswith("SEPA") and metric_id not in MAY_NAME_SEPA:
            yield f"singles out {text}"


def offences_of(metric: Metric) -> list[str]:
    titles = f"{metric.metric_id.replace('_', ' ')}. {metric.name}. {metric.short_name}"
    found = subjects_of(f"{titles}. {metric.description}")
    for sql in (metric.value_sql, metric.history_sql or metric.value_sql):
        found += offences_of_sql(sql, metric.metric_id)
    return found


def offences_of_line(line: str) -> list[str]:
    """Subjects that a line of a document gives together with a figure."""
    return subjects_of(line) if re.search(r"\d", line) else []


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.metric_id)
def test_a_metric_ships_no_number_whose_source_is_not_landed(metric: Metric) -> None:
    assert offences_of(metric) == []


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.cut_id)
def test_a_cut_ships_no_number_whose_source_is_not_landed(cut: AuditCut) -> None:
    assert subjects_of(f"{cut.title}. {cut.prose}") == []
    assert [table for table in cut.reads if FORBIDDEN_TABLES.match(str(table))] == []


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "audit_cuts").glob("*.py")), ids=lambda p: p.stem
)
def test_no_text_of_a_cut_names_a_table_that_must_not_be_read(path: Path) -> None:
    texts = [
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert [text for text in texts if re.search(r"\b(vss|bpm|vmi|mms)_\w+", text)] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_gives_no_figure_for_them(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if offences_of_line(line)] == []


METRIC = """/* ---
code: XXXX
name: {name}
short_name: {name}
period: 24h
unit: count
direction: higher_is_better
kind: threshold
description: {description}
--- */
-- name: value
{sql}
"""
HARMLESS_SQL = "select count(*) from webbank_core.payment"


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("KYC pass rate", HARMLESS_SQL),
        ("AML screening failures", HARMLESS_SQL),
        ("Bank-only processing time", HARMLESS_SQL),
        ("SEPA volume", HARMLESS_SQL),
        ("SEPA Instant, median", HARMLESS_SQL),
        ("SEPA rejections", HARMLESS_SQL),
        ("Back-office queue", HARMLESS_SQL),
        ("CRM funnel", HARMLESS_SQL),
        ("Web analytics", HARMLESS_SQL),
        ("Notifications delivered", HARMLESS_SQL),
        ("VMI declarations", HARMLESS_SQL),
        ("Applicants", "select count(*) from vss_vss.applicant_log"),
        ("Messages", "select count(*) from mms_mms.message"),
        ("Clear", "select count(*) from webbank_dict.kyc_verification_status"),
        (
            "Clear",
            "select count(*) from webbank_core.client_profile where kyc_verification_status_id = 2",
        ),
        (
            "Fast ones",
            "select count(*) from webbank_dict.payment_type where code = 'SEPA_INSTANT_OUT'",
        ),
    ],
)
def test_the_check_sees_what_must_not_exist(tmp_path: Path, name: str, sql: str) -> None:
    file = tmp_path / "some_metric.sql"
    file.write_text(METRIC.format(name=name, description="Something.", sql=sql), encoding="utf-8")
    assert offences_of(parse_metric(file)) != []


@pytest.mark.parametrize(
    "line",
    [
        "The KYC pass rate is 71 %.",
        "| SEPA volumes | 12,000 a day |",
        "SEPA Instant takes 4 s in time",
    ],
)
def test_the_check_sees_a_figure_in_a_document(line: str) -> None:
    assert offences_of_line(line) != []


def test_the_inventory_names_every_landed_schema_and_everything_that_is_blocked() -> None:
    text = INVENTORY.read_text(encoding="utf-8")
    for source in load_sources(REPOSITORY / "sources").sources:
        for schema in source.file.schemas:
            assert f"`{source.landed_schema(schema)}`" in text
    for system in ("bpm", "notification", "vmi", "mms", "mms_inst", "mss_kart"):
        assert f"| `{system}` |" in text
    pending = text[text.index("## Pending") :]
    unnamed = [name for name, p in SUBJECTS.items() if not re.search(p, pending, re.IGNORECASE)]
    assert unnamed == []
