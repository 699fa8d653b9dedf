"""The whole product in business time zones, on both nights of the clock change.

Every expected number is counted by hand: 1, 2, 4 and 8 visits on the days around the night, by a
date alone, and one call an hour, at a moment.
"""

import time as time_of_machine
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from heartbeat.audit.audit_cut import load_cuts
from heartbeat.audit.audit_snapshot import draw_cut
from heartbeat.audit.cut_draft import CutDraft
from heartbeat.landing.catalog import Catalog, Column, Table, write_catalog
from heartbeat.metrics.benchmarking import store_benchmarks
from heartbeat.metrics.compute import Outcome, compute, compute_and_store
from heartbeat.metrics.metric import Direction, Metric, Period
from heartbeat.metrics.metric_draft import Draft, Measure
from heartbeat.metrics.metric_file import load_metrics, parse_metric
from heartbeat.metrics.metric_view import read_metrics
from heartbeat.metrics.registry import sync
from heartbeat.project import Project
from heartbeat.settings import Settings
from tests.integration.command_line import landed_bank, refused, run_here, told

SOURCE = "kind: postgres\nconnection_env: SOURCE_BANK_URL\nschemas: [core]\n"
TYPES = {
    "visited_on": "date",
    "called_at": "timestamp with time zone",
    "noted_at": "timestamp without time zone",
}
VISITS = {-2: 1, -1: 2, 0: 4, 1: 8}
"""Rows of each day, counted from the day of the clock change."""
NIGHTS = [
    ("America/New_York", date(2026, 3, 8), 23),
    ("America/New_York", date(2026, 11, 1), 25),
    ("Europe/Vilnius", date(2025, 3, 30), 23),
    ("Europe/Vilnius", date(2025, 10, 26), 25),
    ("Asia/Kolkata", date(2024, 3, 31), 24),
    ("Pacific/Apia", date(2020, 9, 27), 23),
    ("Pacific/Apia", date(2021, 4, 4), 25),
]
"""Zones with a day of their clock change and how many hours it has."""


@dataclass(frozen=True)
class Night:
    """A business time zone and a day on which its clocks change."""

    settings: Settings
    day: date
    hours: int

    def at(self, days: int, hour: int, minute: int) -> datetime:
        """A moment by the local clock, so many days after the day."""
        local = datetime.combine(self.day + timedelta(days=days), time(hour, minute))
        return local.replace(tzinfo=self.settings.zone)

    def days(self, *offsets: int) -> list[date]:
        return [self.day + timedelta(days=offset) for offset in offsets]

    def counts(self, *offsets: int) -> list[tuple[date, Any]]:
        """The visits of those days."""
        return [(d, VISITS[offset]) for d, offset in zip(self.days(*offsets), offsets, strict=True)]

    def drafted(self, **changes: object) -> Metric:
        draft = Draft(
            **{  # type: ignore[arg-type]
                "metric_id": "visits",
                "code": "VISI",
                "name": "Visits",
                "short_name": "Visits",
                "period": Period.DAY,
                "unit": "count",
                "direction": Direction.HIGHER_IS_BETTER,
                "how_to_read": "A visit that does not come is a fee that nobody pays.",
                "table": Project(self.settings.project).landed_table("bank_core.visit"),
                "measure": Measure.COUNT,
                "time_column": "visited_on",
                **changes,
            }
        )
        path = self.settings.project / "metrics" / f"{draft.metric_id}.sql"
        path.write_text(draft.text(), encoding="utf-8")
        return parse_metric(path)

    def computed(self, metric: Metric, as_of: datetime) -> Outcome:
        outcome = compute(metric, self.settings, as_of=as_of)
        assert outcome.error is None
        return outcome


@pytest.fixture(scope="module")
def visits(module_marts_url: str) -> str:
    """One landed table for all nights: the visits by date, and a call a quarter past each hour."""
    with psycopg.connect(module_marts_url, autocommit=True) as marts:
        marts.execute(
            "create schema bank_core;"
            "create table bank_core.visit"
            " (visited_on date, called_at timestamptz, noted_at timestamp);"
            "grant usage on schema bank_core to heartbeat_reader;"
            "grant select on bank_core.visit to heartbeat_reader"
        )
        for day in {day for _, day, _ in NIGHTS}:
            for offset, count in VISITS.items():
                marts.execute(
                    "insert into bank_core.visit (visited_on)"
                    " select %s from generate_series(1, %s)",
                    [day + timedelta(days=offset), count],
                )
            marts.execute(
                "insert into bank_core.visit (called_at, noted_at)"
                " select hour, hour at time zone 'UTC'"
                " from generate_series(%(since)s::timestamptz, %(until)s, '1 hour') as hour",
                {
                    "since": datetime.combine(day - timedelta(days=4), time(0, 15), UTC),
                    "until": datetime.combine(day + timedelta(days=4), time(0, 15), UTC),
                },
            )
    return module_marts_url


@pytest.fixture(params=NIGHTS, ids=lambda night: f"{night[0]} {night[1]}")
def night(
    visits: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Night:
    zone, day, hours = request.param
    for folder in ("sources", "metrics", "audit_cuts"):
        (tmp_path / "project" / folder).mkdir(parents=True)
    (tmp_path / "project" / "sources" / "bank.yaml").write_text(SOURCE, encoding="utf-8")
    columns = tuple(
        Column(name=name, landed_as=name, source_type=type_, landed_type=type_, nullable=True)
        for name, type_ in TYPES.items()
    )
    table = Table(
        schema_name="core",
        name="visit",
        landed_as="visit",
        columns=columns,
        primary_key=(),
        write="replace",
        reason="no key",
    )
    catalog = tmp_path / "project" / "sources" / "bank.catalog.json"
    write_catalog(catalog, Catalog(tables=(table,)))
    monkeypatch.setenv("HEARTBEAT_PROJECT", str(tmp_path / "project"))
    monkeypatch.setenv("HEARTBEAT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HEARTBEAT_DATABASE_URL", visits)
    monkeypatch.setenv("HEARTBEAT_TIMEZONE", zone)
    return Night(Settings.load(), day, hours)


def test_a_date_belongs_to_its_own_business_day_in_every_zone(night: Night) -> None:
    daily = night.drafted()
    assert night.computed(daily, night.at(0, 0, 10)).value == 4
    assert night.computed(daily, night.at(0, 23, 50)).value == 4
    after = night.computed(daily, night.at(1, 0, 10))
    assert after.value == 8
    assert after.history is not None
    assert list(after.history[-3:]) == night.counts(-2, -1, 0)
    weekly = night.drafted(period=Period.WEEK)
    summed = night.computed(weekly, night.at(1, 0, 10))
    assert summed.value == 1 + 2 + 4 + 8
    assert summed.history is not None
    assert [v for _, v in summed.history[-3:]] == [1, 1 + 2, 1 + 2 + 4]


def test_the_age_of_a_date_is_whole_business_days(night: Night) -> None:
    oldest = {"measure": Measure.OLDEST, "unit": "d", "column": "visited_on"}
    metric = night.drafted(**oldest, period=Period.DAY)
    assert night.computed(metric, night.at(0, 0, 10)).value == 0
    weekly = night.drafted(**oldest, period=Period.WEEK)
    assert night.computed(weekly, night.at(0, 0, 10)).value == 2
    assert night.computed(weekly, night.at(0, 23, 50)).value == 2
    assert night.computed(weekly, night.at(1, 0, 10)).value == 3


@pytest.mark.parametrize("column", ["called_at", "noted_at"])
def test_a_moment_belongs_to_the_business_day_that_it_falls_on(night: Night, column: str) -> None:
    metric = night.drafted(time_column=column)
    midnight = night.computed(metric, night.at(1, 0, 0))
    assert midnight.value == 24
    assert midnight.history is not None
    d, calls = midnight.history[-1]
    assert d == night.day
    assert calls == 24
    assert _rows_a_day(night, column)[night.day.isoformat()] == night.hours


def test_a_drafted_cut_shows_each_date_on_its_own_day(night: Night) -> None:
    rows = _rows_a_day(night, "visited_on")
    days = [day.isoformat() for day in night.days(-2, -1, 0, 1)]
    assert [rows[day] for day in days] == [1, 2, 4, 8]
    assert list(rows)[-1] == days[-1]


def test_what_is_stored_and_shown_is_of_the_business_day(night: Night) -> None:
    metric = night.drafted()
    as_of = night.at(1, 0, 10)
    with psycopg.connect(night.settings.database_url, autocommit=True) as marts:
        marts.execute("truncate heartbeat.metric_history, heartbeat.metric_backfill")
        sync(marts, load_metrics(night.settings.project / "metrics"))
        list(compute_and_store([metric], night.settings, as_of=as_of, run_id="test"))
        (view,) = read_metrics(marts, now=as_of, zone=night.settings.zone)
        shown = [(day.d, day.v) for day in view.sparkline[-4:]]
    assert shown == night.counts(-2, -1, 0, 1)


def test_the_benchmark_knows_each_weekday_by_the_business_day(night: Night) -> None:
    metric = night.drafted()
    metric.path.write_text(
        metric.path.read_text().replace("kind:", "season: weekday\nkind:"), encoding="utf-8"
    )
    with psycopg.connect(night.settings.database_url, autocommit=True) as marts:
        marts.execute("truncate heartbeat.metric_history, heartbeat.metric_backfill")
        sync(marts, load_metrics(night.settings.project / "metrics"))
        marts.execute(
            "insert into heartbeat.metric_history (metric_id, d, v, run_id)"
            " select 'visits', d, extract(isodow from d), ''"
            " from generate_series(%s::date, %s::date, '1 day') as d",
            night.days(-28, 0),
        )
        (found,) = store_benchmarks(night.settings, now=night.at(1, 0, 10)).values()
    assert found is not None
    assert found.weekday_means == tuple(map(float, range(1, 8)))
    # the 30 days before the day that has just begun, of which 29 have a value
    assert found.n == 29


def test_a_moment_typed_without_a_zone_is_by_the_business_clock(night: Night) -> None:
    night.drafted()
    past = night.at(0, 23, 50).replace(tzinfo=None).isoformat()
    assert told(run_here("compute", "visits", "--as-of", past)).startswith("visits  4")
    assert "a date is no moment" in refused(
        run_here("compute", "visits", "--as-of", night.day.isoformat())
    )


def _rows_a_day(night: Night, column: str) -> dict[str, int]:
    """What the drafted cut says just after the midnight that ends the night's day."""
    table = Project(night.settings.project).landed_table("bank_core.visit")
    path = night.settings.project / "audit_cuts" / "visits.py"
    path.write_text(CutDraft(table, column, "overview", "Visits").text(), encoding="utf-8")
    (cut,) = load_cuts(path.parent).cuts
    drawn = draw_cut(cut, "7d", night.settings, as_of=night.at(1, 0, 10))
    rows: Any = drawn.payload["rows"]
    (dataset,) = drawn.chart.spec["datasets"].values()
    # with a time and without a zone it is the same day in a browser of any zone
    assert [row["d"] for row in dataset] == [f"{row['d']}T00:00:00" for row in rows]
    return {row["d"]: row["rows"] for row in rows}


@pytest.fixture(params=["America/New_York", "Pacific/Apia"])
def machine_zone(settings: Settings, request: pytest.FixtureRequest) -> Iterator[None]:
    """The zone of the business, of the machine and of libpq."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("HEARTBEAT_TIMEZONE", "TZ", "PGTZ"):
            patched.setenv(name, request.param)
        time_of_machine.tzset()
        yield
    time_of_machine.tzset()


@pytest.mark.usefixtures("machine_zone")
def test_dates_and_moments_land_as_they_are_and_equal_rows_stay_equal(
    settings: Settings,
    source_url: str,
    marts: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOURCE_BANK_URL", source_url)
    (settings.project / "sources" / "bank.yaml").write_text(SOURCE, encoding="utf-8")
    with psycopg.connect(source_url, autocommit=True) as source:
        source.execute(
            "create schema core;"
            "create table core.visit (id int primary key, visited_on date,"
            " called_at timestamptz, noted_at timestamp);"
            "insert into core.visit values (1, '2026-03-08', '2026-03-08 00:30+00',"
            " '2026-03-08 02:30'), (2, 'infinity', '2020-09-27 00:00+13', '2026-11-01 01:30')"
        )
    landed_bank(run_here)
    told(run_here("ingest", "--reconcile"))
    told(run_here("source", "check", "bank", "--parity"))
    marts.execute("set timezone = 'UTC'")
    assert marts.execute(
        "select visited_on::text, called_at::text, noted_at::text from bank_core.visit order by id"
    ).fetchall() == [
        ("2026-03-08", "2026-03-08 00:30:00+00", "2026-03-08 02:30:00"),
        ("infinity", "2020-09-26 11:00:00+00", "2026-11-01 01:30:00"),
    ]
