"""The wall as a browser paints it, over a real API and a real database."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.acceptance.cockpit import Cockpit
from tests.acceptance.walls import (
    OK,
    REDS,
    ambers_only,
    bank,
    with_errors,
    with_long_names,
    with_names_in_many_scripts,
    with_wide_figures,
)
from tests.unit.heartbeat_api.stored_metrics import USUAL_WALL, StoredMetric, calm

_LOOKS = Path(__file__).with_name("looks.js").read_text(encoding="utf-8")

TEXTS = Path(__file__).with_name("texts.js").read_text(encoding="utf-8")
SCREENS = {"720p": (1280, 720), "1080p": (1920, 1080), "4K": (3840, 2160)}


@contextmanager
def opened(browser: Browser, url: str, width: int, height: int) -> Iterator[Page]:
    """A page of a browser that runs no script of the page."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, java_script_enabled=False
    )
    page = context.new_page()
    page.goto(url)
    page.evaluate("document.fonts.ready")
    yield page
    context.close()


WALLS = {
    **{f"{reds} reds": bank(reds) for reds in range(13)},
    "31 reds": bank(31),
    "31 ambers": ambers_only(),
    "4 reds with long names": with_long_names(bank(4)),
    "12 reds with long names": with_long_names(bank(12)),
    "1 red with a long name": with_long_names(bank(1)),
    **{f"{reds} reds with wide figures": with_wide_figures(bank(reds)) for reds in (0, 1, 3, 4, 8)},
    "40 metrics with wide figures": with_wide_figures(bank(1, 40)),
    "4 reds in many scripts": with_names_in_many_scripts(bank(4)),
    **{f"{reds} reds in error": with_errors(bank(reds)) for reds in (1, 2, 3, 4, 6, 8)},
    "4 reds in error with wide figures": with_errors(with_wide_figures(bank(4))),
    "12 reds in error with long names": with_errors(with_long_names(bank(12))),
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
            page.evaluate("document.fonts.ready")
            assert (name, page.evaluate(_LOOKS)["faults"]) == (name, [])
            assert (name, page.evaluate(TEXTS)["faults"]) == (name, [])
        codes = page.locator("[data-k]:visible .code").all_inner_texts()
        assert sorted(codes) == expected


@pytest.mark.parametrize("reds", [1, 2, 3, 4, 6, 8, 12])
def test_a_red_that_cannot_be_computed_tells_how_old_its_figure_is_and_begins_to_tell_why(
    browser: Browser, cockpit: Cockpit, reds: int
) -> None:
    cockpit.shows(with_errors(bank(reds)))
    with opened(browser, cockpit.origin, 1280, 720) as page:
        for width, height in SCREENS.values():
            page.set_viewport_size({"width": width, "height": height})
            for tile in page.locator(".t.red:visible .dl").all():
                assert tile.evaluate(
                    "part => part.querySelector('time').getBoundingClientRect().bottom"
                    " < part.getBoundingClientRect().bottom + 4"
                )
                told = tile.inner_text().replace("\u200b", "")
                assert re.fullmatch(r"(Compute error|Error), 15 min old\nwebbank_core\.pay.*", told)


LONG_RED = tuple(float(1000 + day) for day in range(90))


@pytest.mark.parametrize("reds", [1, 4, 6, 8])
def test_what_did_not_land_and_since_when_a_metric_is_red_are_read_whole(
    browser: Browser, cockpit: Cockpit, reds: int
) -> None:
    metrics = with_long_names(bank(reds))
    cockpit.shows(
        [replace(each, values=LONG_RED) if each.code[0] == "R" else each for each in metrics]
    )
    cockpit.marts.execute(
        "insert into heartbeat.table_load (schema_name, table_name, write_mode, run_id, error,"
        " began_at, ended_at) select 'bank_core', 't' || n, 'merge', 'run',"
        " case when n <= 34 then 'refused' end, now() - interval '1 day', now() - interval '1 day'"
        " from generate_series(1, 77) as n"
    )
    try:
        with opened(browser, cockpit.origin, 1280, 720) as page:
            for name, (width, height) in SCREENS.items():
                page.set_viewport_size({"width": width, "height": height})
                assert (name, page.evaluate(_LOOKS)["faults"]) == (name, [])
            page.set_viewport_size({"width": 390, "height": 844})
            assert page.evaluate(_LOOKS)["scrollWidth"] == 390
            told = page.locator("header .told")
            assert "34 of 77 tables refused" in told.inner_text()
            assert told.evaluate("part => part.scrollWidth - part.clientWidth") == 0
            sinces = page.locator(".t.red .since:visible").all_inner_texts()
            assert len(sinces) == reds
            assert all("at least 89 d" in since for since in sinces)
            page.goto(f"{cockpit.origin}/m/R000")
            assert page.evaluate("document.documentElement.scrollWidth") == 390
    finally:
        cockpit.marts.execute("truncate heartbeat.table_load")


def test_a_phone_stacks_the_tiles_and_scrolls_only_down(browser: Browser, cockpit: Cockpit) -> None:
    cockpit.shows(with_long_names(bank(4)))
    with opened(browser, cockpit.origin, 390, 844) as page:
        looks = page.evaluate(_LOOKS)
        lefts = {round(box["x"]) for box in looks["boxes"]}
    assert looks["scrollWidth"] == 390
    assert looks["scrollHeight"] > 844
    assert len(lefts) == 1


@pytest.mark.parametrize(
    "metrics",
    [
        with_long_names(bank(4)),
        with_wide_figures(bank(11)),
        with_names_in_many_scripts(bank(4)),
        with_errors(bank(4)),
    ],
    ids=["long names", "wide figures", "many scripts", "errors"],
)
def test_on_a_phone_and_behind_a_tile_no_text_is_cut_or_covered(
    browser: Browser, cockpit: Cockpit, metrics: Sequence[StoredMetric]
) -> None:
    cockpit.shows(metrics)
    for path in ("/", "/m/R000", "/m/R002", "/m/A000"):
        with opened(browser, f"{cockpit.origin}{path}", 390, 844) as page:
            for width in (390, 360) if path == "/" else (390, 360, 1280, 1920):
                page.set_viewport_size({"width": width, "height": 844})
                assert (path, width, page.evaluate(TEXTS)["faults"]) == (path, width, [])


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
    told: list[str] = []
    cockpit.shows(USUAL_WALL)
    page = browser.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: told.append(message.text))
    for path in ("/", "/m/COLD", "/audit"):
        page.goto(f"{cockpit.origin}{path}", wait_until="networkidle")
    page.evaluate("new Image().src = 'https://elsewhere.example/1.png'")
    page.wait_for_timeout(100)
    page.close()
    requests.remove("https://elsewhere.example/1.png")
    assert len(requests) >= 3
    assert [url for url in requests if not url.startswith(cockpit.origin)] == []
    # of the page's own requests the policy refuses none, and it is there
    assert sum("Content Security Policy" in text for text in told) == 1


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
