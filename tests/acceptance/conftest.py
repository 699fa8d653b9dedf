"""A real browser for the acceptance tests, and a cockpit to look at."""

import os
import shutil
from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.acceptance.cockpit import Cockpit
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
def browser() -> Iterator[Browser]:
    """Headless Chromium: HEARTBEAT_CHROMIUM, else one on the path, else Playwright's own.

    Playwright keeps an event loop in the thread of the tests, in which Dagster cannot run: so it
    lives no longer than one module.
    """
    installed = next(filter(None, map(shutil.which, _COMMANDS)), None)
    executable = os.environ.get("HEARTBEAT_CHROMIUM") or installed
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def cockpit(module_marts_url: str) -> Iterator[Cockpit]:
    """One served cockpit for all tests of a module; each says which metrics it shows."""
    with (
        psycopg.connect(module_marts_url, autocommit=True) as connection,
        served(api_on(module_marts_url)) as origin,
    ):
        yield Cockpit(origin, connection)
