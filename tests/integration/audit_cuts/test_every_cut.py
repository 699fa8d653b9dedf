"""What holds of every cut of the bank, over every window, with data and without."""

import re
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from heartbeat.audit.audit_cut import load_cuts
from heartbeat.audit.chart_theme import CHART_WIDTH, SMALLEST_TEXT
from heartbeat.audit.palette import Colour
from heartbeat.typeface import with_letters
from heartbeat_api.csv_table import csv_table
from tests.acceptance.bare_machine import only_dejavu_serif
from tests.acceptance.conftest import chromium
from tests.integration.audit_cuts.altered_bank import counted_after
from tests.integration.audit_cuts.bank_cuts import BankCuts
from tests.integration.demo_platform import REPOSITORY

CUTS = {cut.cut_id: cut for cut in load_cuts(REPOSITORY / "audit_cuts").cuts}
WINDOWS = [(cut_id, window) for cut_id, cut in CUTS.items() for window in cut.windows]
DESIGNED = {
    "overview": [
        "money_at_risk",
        "revenue_anatomy",
        "payment_heatmap",
        "payment_outcomes",
        "aml_backlog_burndown",
        "source_freshness_timeline",
    ],
    "clients": [
        "client_segments",
        "revenue_concentration",
        "cohort_retention",
        "dormancy_watchlist",
        "balance_movers",
        "country_risk_mix",
    ],
    "journeys": [
        "onboarding_funnel",
        "onboarding_time_in_state",
        "outgoing_payment_journey",
        "processing_time_distribution",
        "rejection_reasons",
    ],
}
BY_SORTING = (
    "set local enable_hashagg = off",
    "set local enable_hashjoin = off",
    "set local max_parallel_workers_per_gather = 0",
)
BY_HASHING_IN_PARALLEL = (
    "set local enable_sort = off",
    "set local enable_mergejoin = off",
    "set local enable_nestloop = off",
    "set local min_parallel_table_scan_size = 0",
    "set local parallel_setup_cost = 0",
    "set local parallel_tuple_cost = 0",
)
TEXTS = (REPOSITORY / "tests" / "acceptance" / "texts.js").read_text(encoding="utf-8")
SENTENCE_END = re.compile(r"[.!?](?=\s+[A-Z€]|$)")


def test_the_seventeen_stand_on_their_three_pages_in_their_order() -> None:
    pages: dict[str, list[str]] = {page: [] for page in DESIGNED}
    for cut in sorted(CUTS.values(), key=lambda cut: (cut.place, cut.cut_id)):
        pages[cut.page].append(cut.cut_id)
    assert pages == DESIGNED
    assert {cut.windows for cut in CUTS.values()} == {("7d", "30d", "90d")}


@pytest.mark.parametrize(("cut_id", "window"), WINDOWS)
def test_a_cut_tells_its_finding_in_words_made_from_numbers(
    bank: BankCuts, cut_id: str, window: str
) -> None:
    payload = bank.payload(cut_id, window)
    assert len(payload["headline"]) <= 90
    assert re.search(r"\d|\b(?:[Nn]o|[Nn]one|Ten)\b", payload["headline"])
    assert 2 <= len(SENTENCE_END.findall(payload["prose"])) <= 5
    assert re.search(r"\d", payload["prose"])
    assert payload["headline"] not in payload["prose"]


@pytest.mark.parametrize(("cut_id", "window"), WINDOWS)
def test_the_table_behind_a_picture_is_flat(bank: BankCuts, cut_id: str, window: str) -> None:
    rows = bank.payload(cut_id, window)["rows"]
    assert rows
    values = [value for row in rows for value in row.values()]
    assert all(value is None or isinstance(value, int | float | str) for value in values)
    assert csv_table(rows).count(b"\r\n") > len(rows)


@pytest.mark.parametrize(("cut_id", "window"), WINDOWS)
def test_a_picture_can_be_read_on_a_phone_and_in_every_theme(
    bank: BankCuts, cut_id: str, window: str
) -> None:
    svg = bank.drawn(cut_id, window).chart.svg
    assert float(re.findall(r'<svg [^>]*width="([\d.]+)"', svg)[0]) <= CHART_WIDTH
    sizes = [float(size) for size in re.findall(r'font-size="([\d.]+)px"', svg)]
    assert min(sizes) >= SMALLEST_TEXT
    assert _colours(svg) <= set(Colour)
    assert "style=" not in svg
    assert "http" not in svg.replace("http://www.w3.org/", "")


@pytest.mark.parametrize(("cut_id", "window"), WINDOWS)
def test_marks_are_labelled_directly_and_no_label_is_shortened(
    bank: BankCuts, cut_id: str, window: str
) -> None:
    svg = bank.drawn(cut_id, window).chart.svg
    assert "role-legend" not in svg
    assert "…" not in svg
    assert not re.search(r"rotate\((?!0)", svg)


@pytest.mark.parametrize("cut_id", CUTS)
def test_without_any_row_a_cut_still_draws_and_says_something(
    empty_bank: BankCuts, cut_id: str
) -> None:
    drawn = empty_bank.drawn(cut_id, CUTS[cut_id].window_default)
    assert drawn.chart.svg.startswith("<svg")
    said: dict[str, Any] = dict(drawn.payload)
    assert said["headline"]
    assert said["prose"]
    assert isinstance(said["rows"], list)


@pytest.mark.parametrize("cut_id", CUTS)
def test_a_cut_is_the_same_to_the_last_digit_and_among_equals_whatever_plan_postgres_takes(
    tied_bank: BankCuts, cut_id: str
) -> None:
    for window in ("7d", "90d"):
        sorted_rows, hashed_rows = (
            counted_after(tied_bank, cut_id, window, *plan)
            for plan in (BY_SORTING, BY_HASHING_IN_PARALLEL)
        )
        assert hashed_rows == sorted_rows


def test_no_text_of_any_picture_is_cut_or_covered(
    bank: BankCuts, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In Chromium, on a machine that has another font only."""
    fonts = only_dejavu_serif(tmp_path_factory.mktemp("fonts"))
    faults = {}
    with sync_playwright() as playwright, chromium(playwright, fonts) as browser:
        page = browser.new_page(viewport={"width": 900, "height": 900})
        for cut_id, window in WINDOWS:
            drawing = with_letters(bank.drawn(cut_id, window).chart.svg)
            page.set_content(f'<div class="picture">{drawing}</div>')
            page.evaluate("document.fonts.ready")
            faults[cut_id, window] = page.evaluate(TEXTS)["faults"]
    assert {at: found for at, found in faults.items() if found} == {}


def _colours(svg: str) -> set[str]:
    drawn = re.findall(r'(?:fill|stroke)="([^"]+)"', svg)
    return {colour for colour in drawn if colour not in ("none", "transparent")}
