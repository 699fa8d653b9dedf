"""The audit pages in Chromium: stored pictures without scripts, live ones on demand."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from heartbeat.audit.audit_cut import load_cuts
from heartbeat.audit.audit_snapshot import compute_snapshot, store_chart_runtime, sync_cuts
from heartbeat.audit.palette import ON_PAPER, Colour
from heartbeat.settings import Settings
from tests.acceptance.cockpit import Cockpit
from tests.unit.heartbeat_api.stored_metrics import USUAL_WALL

HOSTILE = "<img src=x onerror=alert(1)>"
CUT = """
import altair as alt
import pandas as pd
from heartbeat.audit.chart_theme import CHART_WIDTH, shade_colour, shade_text_colour, title
from heartbeat.audit.palette import SHADES, Colour

META = {
    "page": "overview",
    "title": "Shades",
    "prose": "Which shade is it?",
    "windows": ["7d", "30d"],
    "reads": [],
    "metrics": ["collateral_overdue_days_max"],
    "how_to_read": "Darker is more.",
    "methodology": "Counted.",
}
HOSTILE = "<img src=x onerror=alert(1)>"


def compute(conn, *, window):
    rows = [{"name": f"{at} {HOSTILE}"[: 2 if at else 40], "value": at + 0.5} for at in range(6)]
    cells = [row | {"shade": at, "only for the picture": 1} for at, row in enumerate(rows)]
    text = f"{window}: six shades {HOSTILE}"
    return {"headline": text, "prose": text, "rows": rows, "cells": cells}


def chart(payload):
    cells = alt.Chart(pd.DataFrame(payload["cells"])).encode(y=alt.Y("name:N", title=None))
    return alt.layer(
        cells.mark_bar(clip=True).encode(x=alt.X("value:Q"), color=shade_colour("shade")),
        cells.mark_text(align="left", x=4).encode(
            text="value:Q", color=shade_text_colour("shade")
        ),
    ).properties(width=CHART_WIDTH, height=300, title=title(payload, "units"))
"""
TEXT_SIZES = """() => [...document.querySelectorAll(".picture text")].map(
  (text) => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a)"""
COLOURS = """() => [...new Set([...document.querySelectorAll(".picture svg *")].flatMap((mark) => {
  const style = getComputedStyle(mark);
  const drawn = mark.closest("[fill], [stroke]") ? [style.fill, style.stroke] : [];
  return drawn.filter((colour) => colour.startsWith("rgb("));
}))]"""


@pytest.fixture(scope="module")
def audit(cockpit: Cockpit, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page with two cuts, as the worker computed and drew them."""
    folder = tmp_path_factory.mktemp("audit_cuts")
    for name in ("shades", "more_shades"):
        (folder / f"{name}.py").write_text(CUT, encoding="utf-8")
    cockpit.shows(USUAL_WALL)
    loaded = load_cuts(folder)
    assert loaded.problems == ()
    url = cockpit.marts.info.dsn + " password=x"
    settings = Settings.load().model_copy(update={"explicit_database_url": url})
    with psycopg.connect(url) as connection:
        sync_cuts(connection, loaded)
        store_chart_runtime(connection)
    for cut in loaded.cuts:
        stored = compute_snapshot(cut, "7d", settings, as_of=datetime.now(UTC), run_id="test")
        assert stored.error is None
    shutil.rmtree(folder)
    return f"{cockpit.origin}/audit/overview?window=7d"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    yield page
    page.close()


def in_rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))})"


def explored(page: Page, cut_id: str) -> None:
    page.locator(f"#{cut_id}").get_by_role("button", name="Explore").click()
    page.locator(f"#{cut_id} .picture.live svg").wait_for()


def test_without_scripts_the_pictures_are_there_and_nothing_that_needs_one(
    browser: Browser, audit: str
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(audit)
    assert page.locator(".picture svg").count() == 2
    assert page.get_by_role("img", name="Shades, 7d. 7d: six shades").count() == 2
    assert page.get_by_role("button", name="Explore").count() == 0
    assert page.get_by_role("button", name="Refresh").count() == 2
    page.get_by_role("link", name="30d").click()
    assert page.get_by_text("Not computed yet").count() == 2
    context.close()


def test_a_picture_becomes_live_with_libraries_from_here_and_within_the_policy(
    page: Page, audit: str
) -> None:
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(audit)
    assert not any("vega" in request for request in requests)
    explored(page, "shades")
    explored(page, "more_shades")
    page.locator("#shades .picture .mark-rect path").last.hover(force=True)
    expect(page.locator("#vg-tooltip-element td.value").last).to_have_text("5.5")
    assert page.locator("#vg-tooltip-element td.key").all_inner_texts() == ["name", "value"]
    assert complaints == []
    origin = audit.partition("/audit")[0]
    assert [request for request in requests if not request.startswith(origin)] == []
    assert sum("vega.js" in request for request in requests) == 1


def test_hostile_text_is_text_in_prose_picture_and_tooltip(page: Page, audit: str) -> None:
    page.goto(audit)
    explored(page, "shades")
    page.locator("#shades .picture .mark-rect path").first.hover(force=True)
    expect(page.locator("#vg-tooltip-element td.value").first).to_have_text(f"0 {HOSTILE}")
    assert HOSTILE in page.locator("#more_shades .picture").inner_text()
    assert HOSTILE in page.locator(".finding").first.inner_text()
    assert page.locator("main img").count() == 0


def test_what_cannot_be_loaded_leaves_the_stored_picture_and_is_tried_again(
    page: Page, audit: str
) -> None:
    page.route("**/audit/vega.js", lambda route: route.abort())
    page.goto(audit)
    button = page.locator("#shades").get_by_role("button", name="Explore")
    button.click()
    expect(button).to_have_text("Explore: try again")
    assert page.locator("#shades .picture svg").is_visible()
    assert page.locator(".live").count() == 0


@pytest.mark.parametrize("cut_id", ["shades", "more_shades"])
def test_stored_and_live_pictures_take_the_colours_of_the_theme(
    page: Page, audit: str, cut_id: str
) -> None:
    page.goto(f"{audit}&theme=light")
    explored(page, cut_id)
    assert set(page.evaluate(COLOURS)) <= {in_rgb(colour) for colour in ON_PAPER.values()}
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert set(page.evaluate(COLOURS)) <= {in_rgb(colour) for colour in Colour}


@pytest.mark.parametrize("width", [360, 390, 1280, 1920, 3840])
def test_a_page_scrolls_only_down_and_its_pictures_can_be_read(
    page: Page, audit: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(audit)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    sizes = page.evaluate(TEXT_SIZES)
    assert len(sizes) > 10
    assert min(sizes) >= (10 if width < 600 else 15)


def test_text_on_a_shade_is_not_of_its_colour(page: Page, audit: str) -> None:
    page.goto(audit)
    inks = page.locator("#shades .picture .layer_1_marks text").evaluate_all(
        "(texts) => texts.map((text) => text.getAttribute('fill'))"
    )
    assert inks == [Colour.TEXT] * 3 + [Colour.ON_SHADE] * 3


def test_the_clips_of_two_pictures_do_not_meet(page: Page, audit: str) -> None:
    page.goto(audit)
    ids = page.evaluate("[...document.querySelectorAll('.picture [id]')].map((each) => each.id)")
    assert len(ids) >= 2
    assert len(set(ids)) == len(ids)


def test_from_a_metric_to_its_cut_and_back(page: Page, audit: str) -> None:
    page.goto(audit.replace("/audit/overview?window=7d", "/m/COLD"))
    page.get_by_role("link", name="Shades").first.click()
    page.wait_for_url("**/audit/overview#more_shades")
    page.locator("#shades").get_by_role("link", name="COLD").click()
    page.wait_for_url("**/m/COLD")


def test_an_owner_and_a_verification_are_given_by_keyboard(page: Page, audit: str) -> None:
    page.goto(audit)
    cut = page.locator("#more_shades")
    cut.get_by_text("No owner, unverified").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("dana")
    page.keyboard.press("Enter")
    cut.get_by_role("alert").wait_for()
    assert cut.get_by_label("Owner").input_value() == "dana"
    cut.get_by_label("Owner").fill("dana@bank.example")
    page.keyboard.press("Enter")
    cut.get_by_text("dana@bank.example, unverified").click()
    cut.get_by_role("button", name="Mark verified").click()
    cut.get_by_text("dana@bank.example, verified").wait_for()
    assert page.url.endswith("/audit/overview?window=7d#more_shades")


def test_picture_and_table_are_downloaded_under_their_own_names(
    page: Page, audit: str, cockpit: Cockpit, tmp_path: Path
) -> None:
    stored = (
        "select computed_at at time zone 'UTC' from heartbeat.audit_cut_snapshot"
        " where cut_id = 'shades'"
    )
    ((computed_at,),) = cockpit.marts.execute(stored).fetchall()
    page.goto(audit)
    for kind, begins in (("PNG", b"\x89PNG"), ("SVG", b"<svg"), ("CSV", b"\xef\xbb\xbfname,value")):
        with page.expect_download() as download:
            page.locator("#shades").get_by_role("link", name=kind).click()
        name = download.value.suggested_filename
        assert name == f"shades-7d-{computed_at:%Y%m%d}.{kind.lower()}"
        download.value.save_as(tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(begins)
