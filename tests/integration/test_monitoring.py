"""`GET /metrics`, read by Prometheus's own parser, and what is drawn and alarmed from it."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from heartbeat.displays import Beat, store_beats
from heartbeat.platform_state import disk_space
from heartbeat.settings import Settings
from heartbeat_api.app import create_app
from tests.integration.dagster_stub import Dagster, dagster
from tests.unit.heartbeat_api.served import served
from tests.unit.heartbeat_api.stored_metrics import USUAL_WALL, store

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations"
DASHBOARD = OPERATIONS / "grafana-dashboard.json"
RULES = OPERATIONS / "prometheus-rules.yml"
RUNBOOKS = OPERATIONS / "runbooks.md"
MONITORING = OPERATIONS / "monitoring.md"
NO_BASE_UNIT = re.compile(r"_(ms|milliseconds|minutes|hours|days|kb|mb|gb|kilobytes|percent)(_|$)")
NAME = re.compile(r"\b(?:heartbeat|process)_[a-z_]+\b")
"""Names in the expressions of rules and panels."""


class Scraped:
    """One scrape, as Prometheus's own parser reads it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families: dict[str, Metric] = {}
        for family in text_string_to_metric_families(text):
            assert family.name not in self.families, f"{family.name} comes twice"
            self.families[family.name] = family

    @property
    def samples(self) -> set[str]:
        return {sample.name for family in self.families.values() for sample in family.samples}

    def value(self, name: str, **labels: str) -> float | None:
        found = [
            sample.value
            for family in self.families.values()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert len(found) <= 1
        return found[0] if found else None


@pytest.fixture
def client(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    with dagster() as address:
        Dagster.status = "QUEUED"
        monkeypatch.setenv("HEARTBEAT_DAGSTER_URL", address)
        with (
            served(create_app(Settings.load())) as origin,
            httpx.Client(base_url=origin, timeout=20) as client,
        ):
            yield client


def scraped(client: httpx.Client) -> Scraped:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return Scraped(response.text)


def scraped_with(client: httpx.Client, name: str) -> Scraped:
    """The first scrape that has a sample of that name: the API looks beside the requests."""
    while True:
        found = scraped(client)
        if name in found.samples:
            return found
        time.sleep(0.05)


@pytest.fixture
def stored(marts: psycopg.Connection) -> None:
    now = datetime.now(UTC)
    store(marts, USUAL_WALL, now)
    marts.execute(
        "insert into heartbeat.table_load (schema_name, table_name, write_mode, run_id, error)"
        " values ('a', 'b', 'merge', 'r', 'gone')"
    )
    marts.execute(
        "insert into heartbeat.metric_observation (metric_id, as_of, computed_at, seconds, run_id)"
        " select metric_id, now(), now(), 1, 'r' from heartbeat.metric_registry"
    )
    marts.execute(
        "insert into heartbeat.refresh_disk values ('r', %s, now(), now(), 9000, 2000, 8000, 1, 2)",
        [disk_space(Path()).machine],
    )
    for minutes in (300, 10):
        at = now - timedelta(minutes=minutes)
        store_beats(marts, [Beat("hall", "/", "b", at, at)])


@pytest.fixture
def everything(stored: None, client: httpx.Client) -> Scraped:
    client.get("/")
    client.get("/m/COLD")
    client.get("/metrics/nowhere/else")
    scraped_with(client, "heartbeat_screens_dark")
    return scraped_with(client, "heartbeat_refresh_disk_bytes")


def test_it_tells_what_is_known_and_prometheus_reads_every_line(everything: Scraped) -> None:
    assert everything.value("heartbeat_database_up") == 1
    assert everything.value("heartbeat_dagster_up") == 1
    assert everything.value("heartbeat_metrics", state="red") == 4
    assert everything.value("heartbeat_tables_failing") == 1
    assert everything.value("heartbeat_tables_stale") == 1
    assert everything.value("heartbeat_runs_queued") == 1
    assert everything.value("heartbeat_refresh_disk_bytes") == 7000
    assert (everything.value("heartbeat_disk_free_bytes") or 0) > 0
    refreshed = everything.value("heartbeat_last_good_refresh_timestamp_seconds")
    assert refreshed is not None
    assert everything.value("heartbeat_build_info") == 1
    assert (everything.value("process_resident_memory_bytes") or 0) > 1_000_000
    samples = [line for line in everything.text.splitlines() if line and line[0] != "#"]
    read = sum(len(family.samples) for family in everything.families.values())
    assert read == len(samples)


def test_names_follow_the_conventions(everything: Scraped) -> None:
    for name, family in everything.families.items():
        assert re.fullmatch(r"(heartbeat|process)_[a-z_]+", name)
        assert not NO_BASE_UNIT.search(name)
        assert family.documentation
        for sample in family.samples:
            if family.type == "counter":
                assert sample.name.endswith("_total")
            elif family.type == "gauge":
                assert not sample.name.endswith(("_total", "_count", "_sum"))


def test_requests_are_counted_by_route_and_never_by_path(everything: Scraped) -> None:
    routes = {
        sample.labels["route"] for sample in everything.families["heartbeat_http_requests"].samples
    }
    assert {"/", "/m/{code}", "/metrics", "unmatched"} <= routes
    assert "/m/COLD" not in everything.text
    assert "nowhere" not in everything.text
    name = "heartbeat_http_request_duration_seconds_count"
    assert everything.value(name, method="GET", route="/m/{code}") == 1


def test_what_is_not_known_is_left_out_while_marts_and_dagster_are_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARTBEAT_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/marts")
    monkeypatch.setenv("HEARTBEAT_DAGSTER_URL", "http://127.0.0.1:1")
    with (
        served(create_app(Settings.load())) as origin,
        httpx.Client(base_url=origin, timeout=20) as client,
    ):
        found = scraped_with(client, "heartbeat_disk_free_bytes")
    assert found.value("heartbeat_database_up") == 0
    assert found.value("heartbeat_dagster_up") == 0
    assert not found.samples & {
        *("heartbeat_metrics", "heartbeat_tables", "heartbeat_runs_queued", "heartbeat_screens"),
        *("heartbeat_engine_stalled", "heartbeat_last_good_refresh_timestamp_seconds"),
    }


def expressions_of_the_dashboard() -> list[str]:
    dashboard: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    panels = dashboard["panels"]
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in panels)
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    own = [variables["instance"]["definition"]]
    return own + [target["expr"] for panel in panels for target in panel["targets"]]


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def test_every_metric_of_dashboard_and_rules_is_told(everything: Scraped) -> None:
    named = [*expressions_of_the_dashboard(), *(rule["expr"] for rule in rules())]
    wanted = {name for expression in named for name in NAME.findall(expression)}
    assert len(wanted) > 20
    assert wanted - everything.samples == set()


def test_every_rule_leads_to_a_section_of_the_runbooks() -> None:
    text = RUNBOOKS.read_text(encoding="utf-8")
    sections = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^## (.+)$", text, re.MULTILINE)
    }
    for rule in rules():
        page, _, section = rule["annotations"]["runbook_url"].partition("#")
        assert page.endswith("/docs/operations/runbooks.md")
        assert section in sections, rule["alert"]
        assert f"`{rule['alert']}`" in text


def test_every_metric_is_documented_and_no_other(everything: Scraped) -> None:
    text = MONITORING.read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(heartbeat_\w+)", text, re.MULTILINE))
    parts = re.compile(r"(?<=duration_seconds)_(bucket|count|sum)$")
    told = {parts.sub("", name) for name in everything.samples if name.startswith("heartbeat_")}
    assert documented == told
