"""The daily benchmarks, from the history into the registry."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from heartbeat.metrics.benchmarking import store_benchmarks
from heartbeat.metrics.metric_file import load_metrics
from heartbeat.metrics.registry import sync
from heartbeat.settings import Settings

NOW = datetime(2026, 11, 20, 4, 23, tzinfo=UTC)
FILE = """\
/* ---
code: {code}
name: {name}
short_name: {name}
period: 24h
unit: count
direction: lower_is_better
kind: {kind}
benchmark_days: 20
{season}
--- */
-- name: value
select 1
"""


class Benchmarked:
    """Three metrics and what history they get."""

    def __init__(self, settings: Settings, marts: psycopg.Connection[Any]) -> None:
        self.settings = settings
        self.marts = marts
        for name, code, kind, season in (
            ("rolling", "ROLL", "rolling_stat", ""),
            ("weekly", "WEEK", "rolling_stat", "season: weekday"),
            ("line", "LINE", "threshold", ""),
        ):
            text = FILE.format(name=name, code=code, kind=kind, season=season)
            (settings.project / "metrics" / f"{name}.sql").write_text(text, encoding="utf-8")
        sync(marts, load_metrics(settings.project / "metrics"))

    def had(self, metric_id: str, ago: int, value: float | None, error: str | None = None) -> None:
        self.marts.execute(
            "insert into heartbeat.metric_history (metric_id, d, v, error, run_id)"
            " values (%s, %s, %s, %s, '')",
            [metric_id, NOW.date() - timedelta(days=ago), value, error],
        )

    def registered(self, metric_id: str) -> tuple[Any, ...] | None:
        return self.marts.execute(
            "select benchmark_mean, benchmark_stddev, benchmark_n, benchmark_weekday_means,"
            " benchmark_at from heartbeat.metric_registry where metric_id = %s",
            [metric_id],
        ).fetchone()


@pytest.fixture
def benchmarked(settings: Settings, marts: psycopg.Connection[Any]) -> Benchmarked:
    return Benchmarked(settings, marts)


def test_the_band_of_the_last_complete_days_is_stored(benchmarked: Benchmarked) -> None:
    for ago in range(40):
        benchmarked.had("rolling", ago, 1000 if ago in (0, 21, 30) else 4 + 2 * (ago % 2))
    store_benchmarks(benchmarked.settings, now=NOW)
    mean, stddev, n, weekdays, at = benchmarked.registered("rolling") or ()
    assert (mean, n, weekdays, at) == (5, 20, None, NOW)
    assert stddev == pytest.approx((20 / 19) ** 0.5)


def test_a_day_that_failed_or_has_no_value_does_not_count(benchmarked: Benchmarked) -> None:
    for ago in range(1, 21):
        failed = ago in (3, 5)
        benchmarked.had("rolling", ago, 900 if failed else 5, "boom" if failed else None)
    store_benchmarks(benchmarked.settings, now=NOW)
    assert (benchmarked.registered("rolling") or ())[:3] == (5, 0, 18)


def test_a_season_has_its_weekdays(benchmarked: Benchmarked) -> None:
    for ago in range(1, 21):
        benchmarked.had("weekly", ago, (NOW.date() - timedelta(days=ago)).weekday())
    found = store_benchmarks(benchmarked.settings, now=NOW)
    assert (benchmarked.registered("weekly") or ())[1:4] == (0, 20, [0, 1, 2, 3, 4, 5, 6])
    assert found["rolling"] is None


def test_a_threshold_keeps_no_band(benchmarked: Benchmarked) -> None:
    for ago in range(1, 21):
        benchmarked.had("line", ago, 5)
    assert "line" not in store_benchmarks(benchmarked.settings, now=NOW)
    assert benchmarked.registered("line") == (None,) * 5


def test_a_band_goes_when_its_days_do(benchmarked: Benchmarked) -> None:
    for ago in range(1, 15):
        benchmarked.had("rolling", ago, ago)
    store_benchmarks(benchmarked.settings, now=NOW)
    assert (benchmarked.registered("rolling") or ())[2] == 14
    store_benchmarks(benchmarked.settings, now=NOW + timedelta(days=8))
    assert (benchmarked.registered("rolling") or ())[:3] == (None, None, None)


def test_yesterday_is_the_yesterday_of_the_business_time_zone(
    benchmarked: Benchmarked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARTBEAT_TIMEZONE", "Pacific/Auckland")
    benchmarked.settings = Settings.load()
    for ago in range(15):
        benchmarked.had("rolling", ago, 5)
    late = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    assert late.astimezone(benchmarked.settings.zone).date() == date(2026, 11, 21)
    store_benchmarks(benchmarked.settings, now=late)
    assert (benchmarked.registered("rolling") or ())[2] == 15
