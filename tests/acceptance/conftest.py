"""A real browser for the acceptance tests, and a cockpit to look at."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from tests.acceptance.bare_machine import only_dejavu_serif
from tests.acceptance.cockpit import Cockpit
from tests.acceptance.drawn_pages import drawn_pages
from tests.unit.heartbeat_api.served import api_on, served

SOAK = "HEARTBEAT_SOAK" in os.environ

_COMMANDS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """It keeps an event loop in the thread of the tests, in which Dagster cannot run: so it lives
    no longer than one module.
    """
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def browser(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Headless Chromium on a machine that has one font, and that of another kind than ours."""
    with chromium(playwright, only_dejavu_serif(tmp_path_factory.mktemp("fonts"))) as started:
        yield started


@contextmanager
def chromium(
    playwright: Playwright, environment: Mapping[str, str], *flags: str
) -> Iterator[Browser]:
    """HEARTBEAT_CHROMIUM, else one on the path, else Playwright's own."""
    installed = next(filter(None, map(shutil.which, _COMMANDS)), None)
    started = playwright.chromium.launch(
        executable_path=os.environ.get("HEARTBEAT_CHROMIUM") or installed,
        args=(*_FLAGS, *flags),
        env={**os.environ, **environment},
    )
    yield started
    started.close()


@pytest.fixture(scope="module")
def cockpit(module_marts_url: str) -> Iterator[Cockpit]:
    """One served cockpit for all tests of a module; each says which metrics it shows."""
    with (
        psycopg.connect(module_marts_url, autocommit=True) as connection,
        served(api_on(module_marts_url)) as origin,
    ):
        yield Cockpit(origin, connection)


@pytest.fixture(scope="module")
def audit(cockpit: Cockpit) -> str:
    """The address of a page with two drawn cuts."""
    return drawn_pages(cockpit)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    yield page
    page.close()
