"""Letters, colours and dates as Chromium paints them on a machine that has another font only."""

from base64 import b64encode
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from heartbeat.typeface import FAMILY
from tests.acceptance.cockpit import Cockpit
from tests.acceptance.drawn_pages import explored

TEXTS = Path(__file__).with_name("texts.js").read_text(encoding="utf-8")
SIZES = ((1280, 720), (1920, 1080), (3840, 2160), (390, 844), (360, 800))
CONTRASTS = Path(__file__).with_name("contrasts.js").read_text(encoding="utf-8")
BOXES = """(picture) => {
  const frame = picture.getBoundingClientRect();
  const texts = [...picture.querySelectorAll("text:not([opacity='0'])")];
  return texts.filter((text) => text.textContent.trim()).map((text) => {
    const box = text.getBoundingClientRect();
    const [x, y] = [box.x - frame.x, box.y - frame.y];
    return { text: text.textContent, x, y, width: box.width, height: box.height };
  });
}"""
PATHS = ("/", "/m/COLD", "/m/SEIP", "/audit/overview", "/audit/days", "/docs/operations.md")
IN_TROUBLE = """(said) => {
  document.body.classList.add(said);
  document.getElementById("connection").hidden = said !== "cut";
  document.getElementById("lost").textContent = "88 min";
  const blind = '<div class="lost">BLIND <span>since 27 Nov 23:57</span></div>';
  document.getElementById("notice").innerHTML = said === "cut" ? "" : blind;
}"""


@pytest.fixture
def days(audit: str) -> str:
    """The address of a page with one cut: days, wide figures, names in many scripts."""
    return audit.replace("overview", "days")


@pytest.mark.parametrize("path", PATHS)
def test_on_a_machine_without_our_letters_no_text_is_cut_or_covered(
    page: Page, cockpit: Cockpit, audit: str, path: str
) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"{cockpit.origin}{path}")
    page.evaluate("document.fonts.ready")
    for theme in ("dark", "light", "night"):
        page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            seen = page.evaluate(TEXTS)
            assert (theme, width, seen["faults"]) == (theme, width, [])
            assert set(seen["fonts"]) == {FAMILY}
    assert sum("latin" in url for url in requests) == 1


def test_the_header_of_a_wall_in_trouble_holds_all_it_says(
    page: Page, cockpit: Cockpit, audit: str
) -> None:
    page.goto(cockpit.origin)
    for said in ("cut", "blind"):
        page.evaluate(IN_TROUBLE, said)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            assert (said, width, page.evaluate(TEXTS)["faults"]) == (said, width, [])


def test_a_picture_that_is_opened_alone_brings_its_letters(page: Page, audit: str) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    address = audit.replace("overview?", "cuts/some_days.svg?")
    page.goto(address)
    page.evaluate("document.fonts.ready")
    assert page.evaluate("[...document.fonts].map((each) => each.status)") == ["loaded", "loaded"]
    leaving = page.evaluate(
        """() => {
          const frame = document.documentElement.getBoundingClientRect();
          const texts = [...document.querySelectorAll("text")];
          return texts.filter((each) => each.getBoundingClientRect().right > frame.right).length;
        }"""
    )
    assert leaving == 0
    assert [url for url in requests if not url.startswith("data:")] == [address]


# ---------------------------------------------------------------- Explore


@pytest.mark.parametrize("theme", ["dark", "light", "night"])
def test_stored_and_live_pictures_can_be_read_in_every_theme(
    browser: Browser, audit: str, theme: str
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    pixels = browser.new_page()
    for address, cut_id in ((audit, "shades"), (audit.replace("overview", "days"), "some_days")):
        page.goto(f"{address}&theme={theme}")
        for turn in ("stored", "live"):
            if turn == "live":
                explored(page, cut_id)
            picture = page.locator(f"#{cut_id} .picture")
            png = b64encode(picture.screenshot()).decode()
            found = pixels.evaluate(CONTRASTS, {"png": png, "boxes": picture.evaluate(BOXES)})
            assert len(found) > 10
            assert (turn, [each for each in found if each["ratio"] < 4.5]) == (turn, [])
    page.close()
    pixels.close()


def test_back_to_the_stored_picture_and_live_again_by_keyboard(page: Page, audit: str) -> None:
    page.goto(audit)
    picture = page.locator("#shades .picture")
    before = picture.inner_html()
    page.locator("#shades").get_by_role("button", name="Explore").focus()
    for leave in ("Enter", "Escape"):
        page.keyboard.press("Enter")
        page.locator("#shades .picture.live svg").wait_for()
        button = page.locator("#shades").get_by_role("button", name="Back to the picture")
        expect(button).to_be_focused()
        page.locator("#shades .picture .mark-rect path").last.hover(force=True)
        expect(page.locator("#vg-tooltip-element")).to_be_visible()
        page.keyboard.press(leave)
        expect(page.locator("#shades").get_by_role("button", name="Explore")).to_be_focused()
        assert picture.inner_html() == before
        assert page.locator(".live").count() == 0
        expect(page.locator("#vg-tooltip-element")).to_be_hidden()


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Apia"])
def test_a_live_picture_says_the_dates_of_the_data_in_any_zone(
    browser: Browser, days: str, zone: str
) -> None:
    context = browser.new_context(timezone_id=zone, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(days)
    axis = page.locator("#some_days .picture .role-axis-label text")
    stored = axis.all_text_contents()
    explored(page, "some_days")
    assert axis.all_text_contents() == stored
    assert stored[:4] == ["20 Nov", "21 Nov", "22 Nov", "23 Nov"]
    page.locator("#some_days .mark-rect path").first.hover(force=True)
    said = page.locator("#vg-tooltip-element tr")
    expect(said.first).to_have_text("Day20 Nov 2026")
    assert said.all_text_contents() == [
        "Day20 Nov 2026",
        "Client ID12345",
        "Median (s)1,234.57",
        "Paid (EUR)0.5",
        "BranchŽąsis",
        "StateNot paid",
        "Sourcecard_management",
    ]
    context.close()


def test_a_mark_that_stands_for_no_row_has_no_tooltip(page: Page, days: str) -> None:
    page.goto(days)
    explored(page, "some_days")
    page.get_by_text("a note").hover(force=True)
    page.locator("#some_days .mark-rect path").first.hover(force=True)
    expect(page.locator("#vg-tooltip-element")).to_be_visible()
    page.get_by_text("a note").hover(force=True)
    expect(page.locator("#vg-tooltip-element")).to_be_hidden()
