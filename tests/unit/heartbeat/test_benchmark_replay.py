"""The daily benchmark, replayed on series of which it is known what is wrong with them."""

import random
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from heartbeat.judgement.benchmark import benchmark
from heartbeat.judgement.status import Status
from heartbeat.metrics.metric import Direction, Kind, Season
from heartbeat.metrics.registered_lines import RegisteredLines

DAYS, WARM_UP, SHIFT_ON = 730, 60, 400
FIRST = date(2025, 1, 1)
DOCUMENT = Path(__file__).parents[3] / "docs" / "metrics" / "benchmark.md"
WEEKEND = (5, 6)


@dataclass(frozen=True)
class Replay:
    """How many days were judged, and how many of them amber and red."""

    days: int
    amber: int
    red: int

    @property
    def row(self) -> str:
        return (
            f"{self.amber} ({self.amber / self.days:.1%}) | {self.red} ({self.red / self.days:.1%})"
        )


def series(shape: Callable[[int, date], float]) -> list[tuple[date, float]]:
    chance = random.Random(20261120)
    days = [FIRST + timedelta(days=number) for number in range(DAYS)]
    return [(d, shape(number, d) + chance.gauss(0, 5)) for number, d in enumerate(days)]


def stationary(number: int, d: date) -> float:
    return 100.0


def trend(number: int, d: date) -> float:
    return 100.0 + 0.2 * number


def weekly(number: int, d: date) -> float:
    return 70.0 if d.weekday() in WEEKEND else 100.0


def shifted(number: int, d: date) -> float:
    return 130.0 if number >= SHIFT_ON else 100.0


def statuses(
    values: Sequence[tuple[date, float]],
    direction: Direction = Direction.LOWER_IS_BETTER,
    season: Season | None = None,
    amber_z: float = 1.0,
    red_z: float = 2.0,
) -> list[Status]:
    """Each day judged by the benchmark that the job had written that morning."""
    judged = []
    for number in range(WARM_UP, DAYS):
        today, value = values[number]
        found = benchmark(values[:number], today, 30, season)
        assert found is not None
        lines = RegisteredLines(
            metric_id="replayed",
            unit="",
            direction=direction,
            kind=Kind.ROLLING_STAT,
            norm_value=None,
            alert_value=None,
            target_value=None,
            amber_z=amber_z,
            red_z=red_z,
            benchmark_mean=found.mean,
            benchmark_stddev=found.stddev,
            benchmark_n=found.n,
            benchmark_weekday_means=found.weekday_means,
        )
        judged.append(lines.judge(Decimal(str(value)), today).status)
    return judged


def replay(*arguments: object, **options: object) -> Replay:
    judged = statuses(*arguments, **options)  # type: ignore[arg-type]
    return Replay(len(judged), judged.count(Status.AMBER), judged.count(Status.RED))


LOW = Direction.HIGHER_IS_BETTER
REPLAYS = {
    "stationary": replay(series(stationary)),
    "stationary, `amber_z: 2`, `red_z: 3`": replay(series(stationary), amber_z=2.0, red_z=3.0),
    "trend to the bad side": replay(series(trend)),
    "trend to the good side": replay(series(trend), LOW),
    "weekly season": replay(series(weekly), LOW),
    "weekly season, `season: weekday`": replay(series(weekly), LOW, season=Season.WEEKDAY),
    "one shift to the bad side": replay(series(shifted)),
}


def test_the_document_holds_the_counts_of_the_replay() -> None:
    rows = {name: f"| {name} | {each.days} | {each.row} |" for name, each in REPLAYS.items()}
    sys.stdout.write("\n" + "\n".join(rows.values()) + "\n")
    text = DOCUMENT.read_text(encoding="utf-8")
    assert re.findall(r"^\| .* \| 670 \| .*$", text, re.MULTILINE) == list(rows.values())


def test_noise_alone_is_amber_and_red_as_often_as_the_normal_distribution_says() -> None:
    """One-sided: 15.9 % beyond one deviation, 2.3 % of it beyond two; somewhat more, by 30 days."""
    noise = REPLAYS["stationary"]
    assert 0.12 < (noise.amber + noise.red) / noise.days < 0.20
    assert 0.01 < noise.red / noise.days < 0.05


def test_wider_edges_quieten_noise() -> None:
    quiet = REPLAYS["stationary, `amber_z: 2`, `red_z: 3`"]
    assert quiet.amber + quiet.red == REPLAYS["stationary"].red
    assert quiet.red / quiet.days < 0.01


def test_a_trend_is_told_on_its_bad_side_only() -> None:
    bad, good = REPLAYS["trend to the bad side"], REPLAYS["trend to the good side"]
    assert bad.amber + bad.red > 2 * REPLAYS["stationary"].amber
    assert good.amber + good.red < REPLAYS["stationary"].amber / 2


def test_a_season_makes_no_alarm_of_every_weekend() -> None:
    plain, seasonal = REPLAYS["weekly season"], REPLAYS["weekly season, `season: weekday`"]
    weekends = sum(
        (FIRST + timedelta(days=number)).weekday() in WEEKEND for number in range(WARM_UP, DAYS)
    )
    assert plain.amber + plain.red == pytest.approx(weekends, abs=15)
    assert 0.12 < (seasonal.amber + seasonal.red) / seasonal.days < 0.22


def test_a_drop_on_a_working_day_is_hidden_by_a_season_that_is_not_told() -> None:
    values = series(weekly)
    number = next(n for n in range(300, 310) if values[n][0].weekday() == 2)
    values[number] = (values[number][0], 70.0)
    day = number - WARM_UP
    assert statuses(values, LOW)[day] is Status.AMBER
    assert statuses(values, LOW, season=Season.WEEKDAY)[day] is Status.RED


def test_a_shift_is_red_at_once_and_typical_once_the_window_has_passed_it() -> None:
    judged = statuses(series(shifted))[SHIFT_ON - WARM_UP :]
    assert judged[:4] == [Status.RED] * 4
    assert judged[30:90].count(Status.RED) <= 4
