"""A project: what its files define together, and what is wrong between them."""

import json
from pathlib import Path

import pytest

from heartbeat.project import Project
from heartbeat.table_reference import TableRef

SOURCE = "kind: postgres\nconnection_env: SOURCE_BANK_URL\nschemas: [core]\n"
METRIC = """\
/* ---
code: {code}
name: {code}
short_name: {code}
period: snapshot
unit: count
direction: lower_is_better
kind: threshold
--- */
-- name: value
{statement}
"""
CUT = """\
META = {{
    "page": "overview",
    "title": "Payments",
    "prose": "How many.",
    "reads": {reads},
    "methodology": "Counted.",
    "how_to_read": "More is more.",
}}


def compute(conn, *, window):
    return {{}}


def chart(payload):
    return None
"""


def catalog(*tables: str) -> str:
    return json.dumps(
        {
            "tables": [
                {
                    "schema_name": "core",
                    "name": table,
                    "landed_as": table.lower(),
                    "columns": [],
                    "primary_key": [],
                    "write": "replace",
                    "reason": "has no key",
                }
                for table in tables
            ]
        }
    )


class Files:
    """The files of a project with a source `bank`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("sources/bank.yaml", SOURCE)
        self.write("sources/bank.catalog.json", catalog("Payment", "fee"))

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def metric(self, metric_id: str, code: str, statement: str) -> Path:
        return self.write(f"metrics/{metric_id}.sql", METRIC.format(code=code, statement=statement))

    def cut(self, cut_id: str, reads: list[str]) -> Path:
        return self.write(f"audit_cuts/{cut_id}.py", CUT.format(reads=reads))

    @property
    def problems(self) -> list[str]:
        problems = Project(self.folder).problems
        return [str(problem).removeprefix(f"{self.folder}/") for problem in problems]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_folder_without_content_is_an_empty_project(tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert project.sources.sources == ()
    assert project.metrics.metrics == ()
    assert project.cuts.cuts == ()
    assert (dict(project.tables), project.problems) == ({}, ())


def test_the_tables_of_a_project_are_known_by_their_names_in_marts(files: Files) -> None:
    tables = Project(files.folder).tables
    assert {reference: landed.table.name for reference, landed in tables.items()} == {
        TableRef("bank_core", "payment"): "Payment",
        TableRef("bank_core", "fee"): "fee",
    }
    assert {landed.source.name for landed in tables.values()} == {"bank"}


def test_files_that_fit_each_other_have_no_problem(files: Files) -> None:
    files.metric("payments", "PAYM", "select count(*) from bank_core.payment")
    files.metric("constant", "CONS", "select 1")
    files.cut("overview", ["bank_core.fee"])
    assert files.problems == []


def test_what_no_source_lands_is_a_problem_of_the_file_that_reads_it(files: Files) -> None:
    files.metric(
        "payments",
        "PAYM",
        "select count(*)\nfrom bank_core.payment\njoin bank_core.gone using (id)",
    )
    files.cut("overview", ["bank_core.fee", "cards_core.card"])
    assert files.problems == [
        "metrics/payments.sql:11: reads bank_core.gone, which no source lands",
        "audit_cuts/overview.py:1: reads cards_core.card, which no source lands",
    ]


def test_a_cut_may_read_what_heartbeat_itself_keeps_of_clients_and_loads(files: Files) -> None:
    files.cut("segments", ["heartbeat.client_segment", "heartbeat.table_load_log"])
    files.cut("secrets", ["heartbeat.change_log"])
    assert files.problems == [
        "audit_cuts/secrets.py:1: reads heartbeat.change_log, which no source lands"
    ]


def test_metrics_and_cuts_name_each_other_by_ids_that_there_are(files: Files) -> None:
    metric = files.metric("payments", "PAYM", "select 1")
    metric.write_text(metric.read_text().replace("--- */", "cuts: [overview, typo]\n--- */"))
    cut = files.cut("overview", ["bank_core.fee"])
    named = '"metrics": ["payments", "gone"],\n    "methodology"'
    cut.write_text(cut.read_text().replace('"methodology"', named))
    assert files.problems == [
        "metrics/payments.sql:9: cuts: there is no audit cut typo",
        "audit_cuts/overview.py:1: META.metrics: there is no metric gone",
    ]


def test_a_file_that_is_broken_is_there_to_be_named(files: Files) -> None:
    metric = files.metric("payments", "PAYM", "select 1")
    metric.write_text(metric.read_text().replace("--- */", "cuts: [overview]\n--- */"))
    files.write("audit_cuts/overview.py", "META = 7\n")
    assert [problem.split(":")[0] for problem in files.problems] == ["audit_cuts/overview.py"]


def test_a_broken_source_is_a_problem_and_so_is_every_read_of_its_tables(files: Files) -> None:
    files.write("sources/bank.yaml", "kind: fax\n")
    files.metric("payments", "PAYM", "select count(*) from bank_core.payment")
    problems = files.problems
    assert len(problems) == 2
    assert problems[0].startswith("sources/bank.yaml:1: ")
    assert problems[1] == "metrics/payments.sql:11: reads bank_core.payment, which no source lands"


def test_each_broken_file_is_told_and_what_is_good_is_there(files: Files) -> None:
    files.metric("good", "GOOD", "select count(*) from bank_core.fee")
    files.metric("bad", "BAD1", "select (")
    files.write("audit_cuts/bad.py", "META = 7\n")
    files.write("sources/bad.yaml", "kind: fax\n")
    project = Project(files.folder)
    assert [metric.metric_id for metric in project.metrics.metrics] == ["good"]
    assert [source.name for source in project.sources.sources] == ["bank"]
    assert [problem.split(":")[0] for problem in files.problems] == [
        "sources/bad.yaml",
        "metrics/bad.sql",
        "audit_cuts/bad.py",
    ]


def test_a_project_is_read_once(files: Files) -> None:
    project = Project(files.folder)
    assert project.metrics.metrics == ()
    files.metric("late", "LATE", "select 1")
    assert project.metrics.metrics == ()
    assert len(Project(files.folder).metrics.metrics) == 1
