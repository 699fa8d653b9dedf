"""The living wall in a browser: polls, faults, keys, pages, themes, over a real API."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request

from heartbeat_api import build
from tests.acceptance.cockpit import Cockpit, Fault, line_to
from tests.acceptance.conftest import SOAK
from tests.acceptance.walls import OK, bank
from tests.unit.heartbeat_api.stored_metrics import USUAL_WALL, StoredMetric

_LOOKS = Path(__file__).with_name("looks.js").read_text(encoding="utf-8")
_LIVES = """
() => {
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const shift of list.getEntries()) {
      window.shifts.push(shift.sources.map((moved) => moved.node?.outerHTML ?? "gone"));
    }
  }).observe({ type: "layout-shift", buffered: true });
}
"""
_PATIENCE_SECONDS = 120
_ANSWER_SECONDS = 0.5
"""A healthy API answers in much less."""
_STEP_SECONDS = 3
"""Less than what a wall takes for no answer."""


class Screen:
    """A page in a browser whose clock the test turns, never ahead of a request that is answered."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.polls = 0
        self._awaited: set[Request] = set()
        page.on("request", self._await)
        page.on("requestfinished", self._count)
        page.on("requestfailed", self._forget)

    def _await(self, request: Request) -> None:
        if request.resource_type == "fetch":
            self._awaited.add(request)

    def _count(self, request: Request) -> None:
        path = urlsplit(request.url).path
        self.polls += request.resource_type == "fetch" and path in ("/", "/w/board")
        self._forget(request)

    def _forget(self, request: Request) -> None:
        self._awaited.discard(request)

    def settles(self) -> None:
        """Wait for the answers to what has been asked, and for what they bring with them."""
        deadline = time.monotonic() + _ANSWER_SECONDS
        self.page.wait_for_timeout(5)
        while self._awaited and time.monotonic() < deadline:
            self.page.wait_for_timeout(5)
        self._awaited.clear()

    def passes(self, seconds: int) -> None:
        """So many seconds go by on the screen's own clock."""
        while seconds > 0:
            step = min(seconds, _STEP_SECONDS)
            self.page.clock.run_for(step * 1_000)
            self.settles()
            seconds -= step

    def passes_until(self, condition: Callable[[], bool], at_most: int) -> None:
        """Turn the clock, a few seconds at a time, until then."""
        for _ in range(0, at_most, _STEP_SECONDS):
            if condition():
                return
            self.passes(_STEP_SECONDS)
        assert condition(), self.text()

    def polls_once(self) -> None:
        """Let the next poll happen, and its result be applied."""
        before = self.polls
        self.passes_until(lambda: self.polls > before, 40)

    def codes(self) -> list[str]:
        return self.page.locator("main [data-k] .code").all_text_contents()

    def text(self) -> str:
        return self.page.locator("body").inner_text()

    def is_cut_off(self) -> bool:
        return self.page.locator("#connection").is_visible()


@contextmanager
def screen(browser: Browser, address: str, **options: Any) -> Iterator[Screen]:
    """A wall on a screen of 1920 x 1080, after its first poll."""
    at = options.pop("at", None)
    usual = {"viewport": {"width": 1920, "height": 1080}, "reduced_motion": "reduce"}
    context = browser.new_context(**{**usual, **options})
    page = context.new_page()
    page.clock.install(time=at or datetime.now(UTC))
    shown = Screen(page)
    page.goto(address)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not shown.polls:
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)
    shown.settles()
    yield shown
    context.close()


def changed(
    metrics: tuple[StoredMetric, ...], code: str, **changes: Any
) -> tuple[StoredMetric, ...]:
    return tuple(
        replace(metric, **changes) if metric.code == code else metric for metric in metrics
    )


def test_only_what_has_changed_is_swapped_and_the_focus_stays(
    browser: Browser, cockpit: Cockpit
) -> None:
    cockpit.shows(USUAL_WALL)
    with screen(browser, cockpit.origin) as shown:
        shown.page.evaluate(_LIVES)
        shown.page.evaluate("for (const t of document.querySelectorAll('[data-k]')) t.old = true")
        shown.page.focus('[data-k="BALS"]')
        cockpit.then_shows(changed(USUAL_WALL, "COLD", owner="treasury"))
        shown.polls_once()
        old = shown.page.evaluate(
            "[...document.querySelectorAll('[data-k]')]"
            ".filter((t) => !t.old).map((t) => t.dataset.k)"
        )
        assert old == ["COLD"]
        assert "treasury" in shown.page.locator('[data-k="COLD"]').inner_text()
        assert shown.page.evaluate("document.activeElement.dataset.k") == "BALS"


def test_twenty_polls_with_new_numbers_shift_nothing(browser: Browser, cockpit: Cockpit) -> None:
    cockpit.shows(USUAL_WALL)
    with screen(browser, cockpit.origin) as shown:
        shown.page.evaluate(_LIVES)
        for number in range(20):
            if number % 4 == 0:
                cockpit.then_shows(changed(USUAL_WALL, "BALS", owner=f"owner {number}"))
            shown.polls_once()
        assert shown.page.evaluate("window.shifts") == []


def test_a_day_of_polls_leaves_nothing_behind(browser: Browser, cockpit: Cockpit) -> None:
    """2,880 polls in `make soak`, 30 here: heap and nodes are what they were."""
    polls = 2_880 if SOAK else 30
    cockpit.shows(USUAL_WALL)
    with screen(browser, cockpit.origin) as shown:
        session = shown.page.context.new_cdp_session(shown.page)

        def held() -> tuple[float, float]:
            session.send("HeapProfiler.collectGarbage")
            nodes = session.send("Memory.getDOMCounters")["nodes"]
            heap = session.send("Runtime.getHeapUsage")["usedSize"]
            return heap, nodes

        for _ in range(10):
            shown.polls_once()
        before = held()
        for number in range(polls):
            if number % 10 == 0:
                cockpit.then_shows(changed(USUAL_WALL, "BALS", owner=f"owner {number}"))
            shown.polls_once()
        after = held()
    assert after[0] - before[0] < 2**20
    assert abs(after[1] - before[1]) <= before[1] * 0.02


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
def test_a_lost_server_greys_the_wall_takes_nothing_away_and_is_back_within_35_seconds(
    browser: Browser, cockpit: Cockpit, fault: Fault
) -> None:
    cockpit.shows(USUAL_WALL)
    with line_to(cockpit.origin) as line, screen(browser, line.origin) as shown:
        before = shown.codes()
        line.is_disturbed(fault)
        shown.passes_until(shown.is_cut_off, 70)
        assert shown.codes() == before
        assert shown.page.locator("#connection").inner_text().startswith("NO CONNECTION")
        line.is_disturbed(None)
        shown.passes_until(lambda: not shown.is_cut_off(), 35)
        assert shown.page.evaluate("document.body.className") == "wall r4"

        # after a long loss the next try may be two minutes away, so that one comes last
        line.is_disturbed(fault)
        shown.passes_until(shown.is_cut_off, 70)
        shown.passes(300)
        assert shown.codes() == before
        assert re.search(
            r"NO CONNECTION\s+for [5-7] min", shown.page.locator("#connection").inner_text()
        )


def test_a_screen_that_wakes_up_polls_at_once(browser: Browser, cockpit: Cockpit) -> None:
    cockpit.shows(USUAL_WALL)
    with screen(browser, cockpit.origin) as shown:
        polls = shown.polls
        shown.page.clock.fast_forward(3_600_000)
        shown.passes_until(lambda: shown.polls > polls, 2)
        polls = shown.polls
        shown.page.evaluate("dispatchEvent(new Event('online'))")
        shown.passes_until(lambda: shown.polls > polls, 1)


def test_what_a_refresh_did_not_land_appears_and_goes_with_the_next_poll(
    browser: Browser, cockpit: Cockpit
) -> None:
    cockpit.shows(USUAL_WALL)
    with screen(browser, cockpit.origin) as shown:
        told = shown.page.locator("#told")
        assert told.is_hidden()
        cockpit.marts.execute(
            "insert into heartbeat.table_load (schema_name, table_name, write_mode, run_id, error)"
            " values ('bank_core', 'fee', 'merge', 'run', 'refused')"
        )
        shown.page.evaluate("dispatchEvent(new Event('online'))")
        shown.passes_until(told.is_visible, 10)
        assert told.inner_text() == "refresh failed: 1 table refused"
        cockpit.marts.execute("truncate heartbeat.table_load")
        cockpit.marts.execute("notify heartbeat_changed")  # a landing never truncates its ledger
        shown.page.evaluate("dispatchEvent(new Event('online'))")
        shown.passes_until(told.is_hidden, 10)


@pytest.mark.parametrize("days", [-2, 2])
def test_clock_and_ages_are_the_server_s(browser: Browser, cockpit: Cockpit, days: int) -> None:
    cockpit.shows(USUAL_WALL)
    now = datetime.now(UTC)
    with (
        screen(browser, cockpit.origin, at=now) as right,
        screen(browser, cockpit.origin, at=now + timedelta(days=days)) as wrong,
    ):

        def tell_the_same() -> bool:
            right.passes(_STEP_SECONDS)
            ages = [each.page.locator("time").all_text_contents() for each in (right, wrong)]
            return ages[0] == ages[1] != []

        # each goes on from when it was loaded: around a full minute they differ by one
        wrong.passes_until(tell_the_same, 60)
        for each in (right, wrong):
            clock = each.page.locator(".clock .hm").inner_text()
            now = datetime.now(UTC)
            assert clock in {f"{now + timedelta(minutes=n):%H:%M}" for n in (-1, 0, 1, 2)}


def test_ages_go_on_by_themselves_as_the_server_writes_them(
    browser: Browser, cockpit: Cockpit
) -> None:
    cockpit.shows((replace(OK, code="GOOD"), *USUAL_WALL[:1]))
    with line_to(cockpit.origin) as line, screen(browser, line.origin) as shown:
        age = shown.page.locator('[data-k="COLD"] .fr time')
        assert age.inner_text() == "41 min"
        line.is_disturbed(Fault.REFUSED)
        for minutes, text in ((40, "81 min"), (10, "91 min"), (60, "2 h"), (72 * 60, "3 d")):
            shown.page.clock.fast_forward(minutes * 60_000)
            shown.passes(2)
            expected = "1 h" if text == "91 min" else text
            assert age.inner_text() == expected


def test_a_new_build_is_loaded_once(
    browser: Browser, cockpit: Cockpit, monkeypatch: pytest.MonkeyPatch
) -> None:
    cockpit.shows(USUAL_WALL)
    loads: list[str] = []
    with screen(browser, cockpit.origin) as shown:
        shown.page.on("load", lambda page: loads.append(page.url))
        old = shown.page.evaluate("document.body.dataset.build")
        monkeypatch.setattr(build, "_SUFFIXES", {".py"})
        build.build_id.cache_clear()
        cockpit.then_shows(changed(USUAL_WALL, "BALS", owner="new"))
        shown.passes_until(lambda: bool(loads), 60)
        for _ in range(3):
            shown.polls_once()
        assert len(loads) == 1
        assert shown.page.evaluate("document.body.dataset.build") != old
    monkeypatch.undo()
    build.build_id.cache_clear()


def test_it_loads_itself_anew_at_night_unless_the_server_is_down(
    browser: Browser, cockpit: Cockpit
) -> None:
    cockpit.shows(USUAL_WALL)
    loads: list[str] = []
    with line_to(cockpit.origin) as line, screen(browser, line.origin) as shown:
        shown.page.on("load", lambda page: loads.append(page.url))
        line.is_disturbed(Fault.REFUSED)
        shown.page.evaluate("document.body.dataset.reloadAt = 1")
        shown.passes(90)
        assert loads == []
        line.is_disturbed(None)
        shown.passes_until(lambda: bool(loads), 60)


def test_a_compute_error_after_red_stays_red(browser: Browser, cockpit: Cockpit) -> None:
    cockpit.shows(USUAL_WALL)
    with screen(browser, cockpit.origin) as shown:
        cockpit.then_shows(changed(USUAL_WALL, "COLD", error="division by zero"))
        shown.polls_once()
        tile = shown.page.locator('.t.red[data-k="COLD"]')
        assert tile.locator(".v").inner_text().split() == ["124", "d"]
        assert tile.locator(".dl").inner_text() == "Error, 15 min old\ndivision by zero"
        assert shown.page.locator(".cnt.red").inner_text().split() == ["4", "red"]


def test_a_metric_without_a_row_says_so_and_never_zero(browser: Browser, cockpit: Cockpit) -> None:
    cockpit.shows((replace(OK, values=()),))
    with screen(browser, cockpit.origin) as shown:
        text = shown.page.locator("[data-k]").inner_text()
        assert "No data yet" in text
        assert "0" not in text.replace("0 min", "")


def test_all_of_eleven_reds_are_shown_within_one_cycle(browser: Browser, cockpit: Cockpit) -> None:
    cockpit.shows(bank(11))
    with screen(browser, cockpit.origin) as shown:
        seen: set[str] = set()
        for _ in range(34):
            seen |= set(visible_reds(shown.page))
            shown.passes(1)
        assert seen == {f"R{n:03d}" for n in range(11)}
        assert "of 11 red shown · next page in" in shown.page.locator("#paging").inner_text()


def test_a_key_pauses_the_pages(browser: Browser, cockpit: Cockpit) -> None:
    cockpit.shows(bank(11))
    with screen(browser, cockpit.origin) as shown:
        first = visible_reds(shown.page)
        shown.page.keyboard.press("ArrowRight")
        shown.passes(50)
        assert visible_reds(shown.page) == first
        shown.passes_until(lambda: len(visible_reds(shown.page)) == 3, 30)


def visible_reds(page: Page) -> list[str]:
    tiles = page.locator(".reds:not([hidden]) .t.red .code")
    return tiles.all_text_contents()


@pytest.mark.parametrize("reds", [4, 11, 31])
def test_arrows_reach_every_tile(browser: Browser, cockpit: Cockpit, reds: int) -> None:
    cockpit.shows(bank(reds))
    with screen(browser, cockpit.origin) as shown:
        for key in ("ArrowRight", "ArrowLeft"):
            reached = set()
            for _ in range(31):
                shown.page.keyboard.press(key)
                reached.add(shown.page.evaluate("document.activeElement.dataset.k"))
            assert reached == set(shown.codes())
        shown.page.keyboard.press("1")
        rows = {shown.page.evaluate("document.activeElement.getBoundingClientRect().top")}
        for _ in range(8):
            shown.page.keyboard.press("ArrowDown")
            rows.add(shown.page.evaluate("document.activeElement.getBoundingClientRect().top"))
        assert len(rows) >= (2 if reds == 31 else 3)


def test_numbers_jump_to_a_tier_enter_opens_and_escape_leads_back(
    browser: Browser, cockpit: Cockpit
) -> None:
    cockpit.shows(USUAL_WALL)
    with screen(browser, cockpit.origin) as shown:
        for number, tier in enumerate(("red", "amber", "unknown", "ok"), 1):
            shown.page.keyboard.press(str(number))
            assert shown.page.evaluate("document.activeElement.dataset.tier") == tier
        shown.page.keyboard.press("1")
        code = shown.page.evaluate("document.activeElement.dataset.k")
        shown.page.keyboard.press("Enter")
        shown.page.wait_for_url(f"**/m/{code}")
        shown.page.keyboard.press("ArrowRight")
        shown.page.wait_for_url(lambda url: not url.endswith(code))
        shown.page.keyboard.press("Backspace")
        shown.page.wait_for_url(f"{cockpit.origin}/")


def test_a_page_that_was_opened_from_a_wall_returns_to_it(
    browser: Browser, cockpit: Cockpit
) -> None:
    cockpit.shows(USUAL_WALL)
    with screen(browser, f"{cockpit.origin}/?display=hall") as shown:
        shown.page.click('[data-k="COLD"]')
        shown.page.wait_for_url("**/m/COLD")
        shown.passes(50)
        shown.page.keyboard.press("Shift")
        shown.passes(50)
        assert shown.page.url.endswith("/m/COLD")
        shown.passes_until(lambda: shown.page.url.endswith("/?display=hall"), 30)


def test_a_page_that_was_opened_by_itself_stays(browser: Browser, cockpit: Cockpit) -> None:
    cockpit.shows(USUAL_WALL)
    page = browser.new_page()
    page.clock.install()
    page.goto(f"{cockpit.origin}/m/COLD")
    page.clock.run_for(120_000)
    assert page.url.endswith("/m/COLD")
    page.close()


THEMES = ("dark", "light", "night")


@pytest.mark.parametrize("path", ["/", "/m/COLD", "/m/ONBT", "/m/SEIP", "/audit", "/docs"])
def test_every_text_has_contrast_in_every_theme(
    browser: Browser, cockpit: Cockpit, path: str
) -> None:
    cockpit.shows(USUAL_WALL)
    page = browser.new_page(viewport={"width": 1920, "height": 1080})
    page.goto(f"{cockpit.origin}{path}?theme=light")
    for theme in THEMES:
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme }", theme)
        texts = page.evaluate(_LOOKS)["texts"]
        assert len(texts) > 3
        assert [text for text in texts if text["contrast"] < 4.5] == [], theme
    page.close()


def test_the_theme_is_chosen_with_a_button_and_kept(browser: Browser, cockpit: Cockpit) -> None:
    cockpit.shows(USUAL_WALL)
    page = browser.new_page()
    seen = []
    for path in ("/", "/m/COLD", "/audit"):
        page.goto(f"{cockpit.origin}{path}")
        seen.append(page.evaluate("document.documentElement.dataset.theme"))
        page.click("[data-theme-button]")
    page.close()
    assert tuple(seen) == THEMES


@pytest.mark.parametrize("reds", [0, 1, 4, 6, 8, 11, 31])
def test_nothing_is_cut_while_pages_turn(browser: Browser, cockpit: Cockpit, reds: int) -> None:
    cockpit.shows(bank(reds))
    with screen(browser, cockpit.origin) as shown:
        for width, height in ((1280, 720), (3840, 2160)):
            shown.page.set_viewport_size({"width": width, "height": height})
            assert shown.page.evaluate(_LOOKS)["faults"] == [], f"{width} x {height}"
            shown.passes(21)


def test_a_phone_shows_every_red_without_turning_pages(browser: Browser, cockpit: Cockpit) -> None:
    cockpit.shows(bank(11))
    with screen(browser, cockpit.origin, viewport={"width": 360, "height": 800}) as shown:
        assert shown.page.locator(".t.red:visible").count() == 11
        looks = shown.page.evaluate(_LOOKS)
        assert looks["scrollWidth"] == 360


def test_movement_is_for_who_wants_it(browser: Browser, cockpit: Cockpit) -> None:
    cockpit.shows(USUAL_WALL)
    running = "document.getAnimations().filter((a) => a.playState === 'running').length"
    for wish, number in (("no-preference", 1), ("reduce", 0)):
        with screen(browser, cockpit.origin, reduced_motion=wish) as shown:
            assert shown.page.evaluate(running) == number


def test_names_roles_and_a_live_region_for_the_counts(browser: Browser, cockpit: Cockpit) -> None:
    cockpit.shows(USUAL_WALL)
    with screen(browser, cockpit.origin) as shown:
        page = shown.page
        assert page.get_by_role("status", name="Metrics by state").inner_text().split()[0] == "4"
        assert page.get_by_role("region", name="Red", exact=True).get_by_role("link").count() == 4
        name = page.get_by_role(
            "link", name=re.compile("^COLD Collateral overdue, oldest: 124 d, red since")
        )
        assert name.count() == 1
        page.evaluate("document.getElementById('counts').old = true")
        cockpit.then_shows(changed(USUAL_WALL, "SEIP", error=None))
        shown.polls_once()
        assert "8 ok" in " ".join(page.locator("#counts").inner_text().split())
        assert page.evaluate("document.getElementById('counts').old") is True


def test_a_screen_says_its_name_build_and_last_good_poll(
    browser: Browser, cockpit: Cockpit
) -> None:
    cockpit.shows(USUAL_WALL)
    with screen(browser, f"{cockpit.origin}/?display=entrance%20hall") as shown:
        build_of_page = shown.page.evaluate("document.body.dataset.build")
        deadline = time.monotonic() + _PATIENCE_SECONDS
        asked = "select page, build, now() - last_good_poll from heartbeat.display where name = %s"
        while not (row := cockpit.marts.execute(asked, ["entrance hall"]).fetchone()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert row[:2] == ("/", build_of_page)
    assert abs(row[2]) < timedelta(seconds=60)


# ---------------------------------------------------------------- the page behind a tile


@pytest.fixture
def detail(browser: Browser, cockpit: Cockpit) -> Iterator[Page]:
    cockpit.shows(USUAL_WALL)
    page = browser.new_page(viewport={"width": 1920, "height": 1080})
    page.goto(f"{cockpit.origin}/m/COLD")
    yield page
    page.close()


def test_the_owner_is_saved_with_enter_or_on_leaving_and_a_mistake_is_told(detail: Page) -> None:
    detail.fill("#owner", "nobody")
    detail.keyboard.press("Enter")
    detail.wait_for_selector("#refusal")
    assert detail.input_value("#owner") == "nobody"
    assert detail.evaluate("document.activeElement.id") == "owner"
    detail.fill("#owner", "dana@bank.example")
    detail.keyboard.press("Tab")
    detail.wait_for_selector("#refusal", state="detached")
    detail.reload()
    assert detail.input_value("#owner") == "dana@bank.example"


def test_a_verification_is_given_and_taken_back_by_keyboard(detail: Page) -> None:
    for name in ("Take the verification back", "Mark verified"):
        detail.get_by_role("button", name=name).focus()
        detail.keyboard.press("Enter")
        detail.get_by_role("button", name=name).wait_for(state="detached")
    assert "Take the verification back" in detail.locator("aside").inner_text()


def test_lines_are_tried_while_typing_and_saved_with_a_reason(
    detail: Page, cockpit: Cockpit
) -> None:
    detail.get_by_text("Edit lines").press("Enter")
    detail.fill("#alert_value", "100")
    detail.get_by_text("100: would have been red once in 90 days, longest 24 days").wait_for()
    detail.fill("#alert_value", "200")
    detail.get_by_text("200: would never have been red in 90 days").wait_for()
    detail.get_by_role("button", name="☆ board").click()
    detail.get_by_role("button", name="★ board").click()
    detail.get_by_role("button", name="☆ board").wait_for()
    assert detail.input_value("#alert_value") == "200"
    detail.fill("#reason", "agreed with finance")
    detail.keyboard.press("Enter")
    detail.get_by_text("200 d", exact=True).first.wait_for()
    logged = cockpit.marts.execute(
        "select new_value, reason from heartbeat.change_log where field = 'alert_value'"
        " order by id desc limit 1"
    ).fetchone()
    assert logged == ("200", "agreed with finance")


def test_a_star_is_set_and_taken(detail: Page, cockpit: Cockpit) -> None:
    detail.get_by_role("button", name="☆ board").click()
    detail.get_by_role("button", name="★ board").wait_for()
    detail.goto(f"{cockpit.origin}/w/board")
    assert detail.locator("[data-k]").count() == 1
    detail.goto(f"{cockpit.origin}/m/COLD")
    detail.get_by_role("button", name="★ board").click()
    detail.get_by_role("button", name="☆ board").wait_for()


def test_a_new_watchlist_begins_with_its_name(detail: Page) -> None:
    detail.fill("#watchlist", "Risk!")
    detail.keyboard.press("Enter")
    detail.get_by_role("alert").wait_for()
    assert detail.input_value("#watchlist") == "Risk!"
    detail.fill("#watchlist", "risk")
    detail.keyboard.press("Enter")
    detail.get_by_role("link", name="risk").wait_for()
    assert detail.input_value("#watchlist") == ""
    detail.get_by_role("link", name="risk").click()
    detail.wait_for_url("**/w/risk")
    assert detail.locator("[data-k]").count() == 1
    detail.go_back()
    detail.get_by_role("button", name="★ risk").click()
    detail.get_by_text("On none.").wait_for()


@pytest.mark.parametrize("path", ["/m/COLD", "/m/SEIP", "/docs/operations.md", "/audit"])
def test_the_other_pages_scroll_only_down(browser: Browser, cockpit: Cockpit, path: str) -> None:
    cockpit.shows(USUAL_WALL)
    page = browser.new_page()
    page.goto(f"{cockpit.origin}{path}")
    for width, height in ((360, 800), (390, 844), (1920, 1080), (3840, 2160)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") == width
    page.close()
