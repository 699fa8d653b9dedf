"""The audit pages in Chromium: stored pictures without scripts, live ones on demand."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from heartbeat.audit.palette import ON_PAPER, Colour
from tests.acceptance.cockpit import Cockpit
from tests.acceptance.drawn_cuts.shades import HOSTILE
from tests.acceptance.drawn_pages import explored

TEXT_SIZES = """() => [...document.querySelectorAll(".picture text")].map(
  (text) => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a)"""
COLOURS = """() => [...new Set([...document.querySelectorAll(".picture svg *")].flatMap((mark) => {
  const style = getComputedStyle(mark);
  const drawn = mark.closest("[fill], [stroke]") ? [style.fill, style.stroke] : [];
  return drawn.filter((colour) => colour.startsWith("rgb("));
}))]"""


def in_rgb(colour: str) -> str:
    return f"rgb({', '.join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))})"


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
    assert page.locator("#vg-tooltip-element td.key").all_inner_texts() == ["Name", "Value"]
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
