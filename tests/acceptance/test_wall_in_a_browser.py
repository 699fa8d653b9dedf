"""The wall as a browser paints it, over a real API and a real database."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, Page

from tests.unit.heartbeat_api.served import api_on, served
from tests.unit.heartbeat_api.stored_metrics import USUAL_WALL, StoredMetric, calm, store

_LOOKS = Path(__file__).with_name("looks.js").read_text(encoding="utf-8")

SCREENS = {"720p": (1280, 720), "1080p": (1920, 1080), "4K": (3840, 2160)}
REDS = tuple(metric for metric in USUAL_WALL if metric.code in ("COLD", "FXST", "AMLB", "SEPR"))
AMBER = next(metric for metric in USUAL_WALL if metric.code == "ONBT")
BROKEN = next(metric for metric in USUAL_WALL if metric.code == "SEIP")
OK = next(metric for metric in USUAL_WALL if metric.code == "BALS")
LONG_NAME = "Outgoing SEPA credit transfers waiting for a decision of compliance, oldest of all"


def bank(reds: int, total: int = 31) -> tuple[StoredMetric, ...]:
    """So many reds, 3 ambers and 2 broken ones at most, and ok metrics up to the total."""
    rest = total - reds
    ambers, broken = min(3, rest), min(2, max(0, rest - 3))
    return (
        *(_copy(REDS[n % len(REDS)], f"R{n:03d}") for n in range(reds)),
        *(_copy(AMBER, f"A{n:03d}") for n in range(ambers)),
        *(_copy(BROKEN, f"E{n:03d}") for n in range(broken)),
        *(_copy(OK, f"G{n:03d}") for n in range(rest - ambers - broken)),
    )


def ambers_only(total: int = 31) -> tuple[StoredMetric, ...]:
    """Nothing but ambers."""
    return tuple(_copy(AMBER, f"A{n:03d}") for n in range(total))


def with_long_names(metrics: Sequence[StoredMetric]) -> tuple[StoredMetric, ...]:
    """The same with names, values, units and owners that no screen can hold."""
    return tuple(
        replace(
            metric,
            short_name=LONG_NAME if number % 2 else LONG_NAME.replace(" ", ""),
            name=LONG_NAME,
            owner="head.of.payment.operations@company.example",
            unit="payments per hour" if number % 3 else "EUR",
            source_age=timedelta(days=40),
        )
        for number, metric in enumerate(metrics)
    )


def _copy(metric: StoredMetric, code: str) -> StoredMetric:
    return replace(metric, metric_id=f"metric_{code.lower()}", code=code)


class Cockpit:
    """A served wall whose metrics a test chooses."""

    def __init__(self, origin: str, connection: psycopg.Connection) -> None:
        self.origin = origin
        self._connection = connection

    def shows(self, metrics: Sequence[StoredMetric]) -> None:
        """Store exactly these metrics, and wait until they are served."""
        store(self._connection, metrics, datetime.now(UTC))
        expected = sorted((metric.code, metric.short_name) for metric in metrics)
        deadline = time.monotonic() + 30
        while self._served() != expected:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _served(self) -> list[tuple[str, str]]:
        served = httpx.get(f"{self.origin}/api/metrics").json()["metrics"]
        return sorted((metric["code"], metric["short_name"]) for metric in served)


@pytest.fixture(scope="module")
def cockpit(module_marts_url: str) -> Iterator[Cockpit]:
    with (
        psycopg.connect(module_marts_url, autocommit=True) as connection,
        served(api_on(module_marts_url)) as origin,
    ):
        yield Cockpit(origin, connection)


@contextmanager
def opened(browser: Browser, url: str, width: int, height: int) -> Iterator[Page]:
    """A page of a browser that runs no script of the page."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, java_script_enabled=False
    )
    page = context.new_page()
    page.goto(url)
    yield page
    context.close()


WALLS = {
    **{f"{reds} reds": bank(reds) for reds in range(13)},
    "31 reds": bank(31),
    "31 ambers": ambers_only(),
    "4 reds with long names": with_long_names(bank(4)),
    "12 reds with long names": with_long_names(bank(12)),
    "1 red with a long name": with_long_names(bank(1)),
    "15 metrics": USUAL_WALL,
    "no metric": (),
}


@pytest.mark.parametrize("metrics", WALLS.values(), ids=WALLS.keys())
def test_every_metric_is_there_once_without_script_scroll_clip_or_overlap(
    browser: Browser, cockpit: Cockpit, metrics: Sequence[StoredMetric]
) -> None:
    expected = sorted(metric.code for metric in metrics)
    cockpit.shows(metrics)
    with opened(browser, cockpit.origin, 1280, 720) as page:
        for name, (width, height) in SCREENS.items():
            page.set_viewport_size({"width": width, "height": height})
            assert (name, page.evaluate(_LOOKS)["faults"]) == (name, [])
        assert sorted(page.locator("a .code").all_inner_texts()) == expected


def test_a_phone_stacks_the_tiles_and_scrolls_only_down(browser: Browser, cockpit: Cockpit) -> None:
    cockpit.shows(with_long_names(bank(4)))
    with opened(browser, cockpit.origin, 390, 844) as page:
        looks = page.evaluate(_LOOKS)
        lefts = {round(box["x"]) for box in looks["boxes"]}
    assert looks["scrollWidth"] == 390
    assert looks["scrollHeight"] > 844
    assert len(lefts) == 1


def test_texts_stand_out_and_are_large_enough_for_three_metres(
    browser: Browser, cockpit: Cockpit
) -> None:
    """30 px at 1080p for name, value, comparison and state of a red; 19 px for anything else."""
    cockpit.shows(USUAL_WALL)
    with opened(browser, cockpit.origin, 1920, 1080) as page:
        texts = page.evaluate(_LOOKS)["texts"]
    must_read = [text for text in texts if text["mustRead"]]
    assert len(must_read) >= 4 * len(REDS)
    assert [text for text in must_read if text["size"] < 30] == []
    assert [text for text in texts if text["size"] < 19] == []
    assert [text for text in texts if text["contrast"] < 4.5] == []


def test_a_wall_asks_nothing_of_any_other_origin(browser: Browser, cockpit: Cockpit) -> None:
    requests: list[str] = []
    refusals: list[str] = []
    cockpit.shows(USUAL_WALL)
    page = browser.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: refusals.append(message.text))
    for path in ("/", "/m/COLD", "/audit"):
        page.goto(f"{cockpit.origin}{path}")
    page.close()
    assert len(requests) >= 3
    assert [url for url in requests if not url.startswith(cockpit.origin)] == []
    assert refusals == []


def test_markup_in_a_name_is_text(browser: Browser, cockpit: Cockpit) -> None:
    name = '<img src=x onerror="document.title=1">'
    hostile = replace(OK, short_name=name, name=name, values=calm(5))
    cockpit.shows((hostile,))
    page = browser.new_page()
    page.goto(cockpit.origin)
    shown, images = page.locator("a .n").inner_text(), page.locator("a img").count()
    page.close()
    assert shown == name
    assert images == 0
