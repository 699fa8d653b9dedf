"""A project of two tables, three metrics and one cut, on a real source, and its runs in Dagster."""

from typing import Any

import psycopg
from dagster import AssetKey, DagsterInstance, Definitions, ExecuteInProcessResult

from heartbeat.landing.catalog import write_catalog
from heartbeat.landing.source_session import source_session
from heartbeat.settings import Settings
from heartbeat.source import parse_source_file
from heartbeat_assets.code_location import code_location

SOURCE = """\
kind: postgres
connection_env: SOURCE_BANK_URL
schemas: [core]
tables:
  core.payment: {cursor: update_time}
"""
METRIC = """\
/* ---
code: {code}
name: {metric_id}
short_name: {metric_id}
period: snapshot
unit: count
direction: lower_is_better
kind: threshold
norm_value: 5
--- */
-- name: value
{sql}
"""
CUT = """\
import altair as alt

META = {
    "page": "overview",
    "title": "Payments",
    "prose": "How many.",
    "reads": ["bank_core.payment"],
    "methodology": "Counted.",
    "how_to_read": "More is more.",
    "windows": ["7d"],
    "window_default": "7d",
}


def compute(conn, *, window):
    rows = conn.execute("select count(*) from bank_core.payment").fetchone()
    return {"values": [{"n": rows[0]}]}


def chart(payload):
    return alt.Chart(alt.Data(values=payload["values"])).mark_bar().encode(x="n:Q")
"""


class TinyProject:
    """Two tables, three metrics, one cut, on a real source."""

    def __init__(self, settings: Settings, source: psycopg.Connection[Any]) -> None:
        self.settings = settings
        self.source = source
        self.folder = settings.project

    def writes_metric(self, metric_id: str, code: str, statement: str) -> None:
        text = METRIC.format(metric_id=metric_id, code=code, sql=statement)
        (self.folder / "metrics" / f"{metric_id}.sql").write_text(text, encoding="utf-8")

    def writes_cut(self, text: str) -> None:
        (self.folder / "audit_cuts" / "payments.py").write_text(text, encoding="utf-8")

    def discovers(self) -> None:
        path = self.folder / "sources" / "bank.yaml"
        path.write_text(SOURCE, encoding="utf-8")
        with source_session("bank", parse_source_file(path)) as session:
            write_catalog(path.with_name("bank.catalog.json"), session.catalog())

    def definitions(self) -> Definitions:
        return code_location(self.settings)

    def runs(self, *keys: AssetKey) -> ExecuteInProcessResult:
        job = self.definitions().resolve_implicit_global_asset_job_def()
        with DagsterInstance.ephemeral() as instance:
            return job.execute_in_process(
                instance=instance, asset_selection=list(keys), raise_on_error=False
            )

    def refreshes(self) -> ExecuteInProcessResult:
        with DagsterInstance.ephemeral() as instance:
            job = self.definitions().resolve_job_def("refresh")
            return job.execute_in_process(instance=instance, raise_on_error=False)


PAYMENT = AssetKey(["bank_core", "payment"])
FEE = AssetKey(["bank_core", "fee"])
COUNT = AssetKey(["metric", "payments"])
SUM = AssetKey(["metric", "fees"])
BOTH = AssetKey(["metric", "both"])
CUT_KEY = AssetKey(["audit_cut", "payments"])
REGISTRY = AssetKey(["heartbeat", "registry"])
SOURCES = AssetKey(["heartbeat", "sources"])
HYGIENE = AssetKey(["heartbeat", "hygiene"])


def materialized(result: ExecuteInProcessResult) -> set[AssetKey]:
    return {
        event.asset_key
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }


def failure_messages(result: ExecuteInProcessResult) -> str:
    failures = [event for event in result.all_events if event.is_step_failure]
    return " ".join(
        str(event.step_failure_data.user_failure_data.description)
        for event in failures
        if event.step_failure_data.user_failure_data
    )
