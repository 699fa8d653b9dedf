"""Audit pages whose cuts are computed and drawn as the worker does it."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from playwright.sync_api import Page

from heartbeat.audit.audit_cut import load_cuts
from heartbeat.audit.audit_snapshot import compute_snapshot, store_chart_runtime, sync_cuts
from heartbeat.settings import Settings
from tests.acceptance.cockpit import Cockpit
from tests.unit.heartbeat_api.stored_metrics import USUAL_WALL

CUTS = Path(__file__).with_name("drawn_cuts")
FILES = {"shades": "shades", "more_shades": "shades", "some_days": "some_days"}
"""The cuts, and the file of each: two on the page `overview`, one on `days`."""


def drawn_pages(cockpit: Cockpit) -> str:
    """The address of the page `overview`; the files are gone by then, no page needs them."""
    cockpit.shows(USUAL_WALL)
    url = cockpit.marts.info.dsn + " password=x"
    settings = Settings.load().model_copy(update={"explicit_database_url": url})
    with TemporaryDirectory() as folder:
        for name, file in FILES.items():
            shutil.copy(CUTS / f"{file}.py", Path(folder) / f"{name}.py")
        loaded = load_cuts(Path(folder))
        assert loaded.problems == ()
        with psycopg.connect(url) as connection:
            sync_cuts(connection, loaded)
            store_chart_runtime(connection)
        for cut in loaded.cuts:
            stored = compute_snapshot(cut, "7d", settings, as_of=datetime.now(UTC), run_id="test")
            assert stored.error is None
    return f"{cockpit.origin}/audit/overview?window=7d"


def explored(page: Page, cut_id: str) -> None:
    """Make the picture of a cut live."""
    page.locator(f"#{cut_id}").get_by_role("button", name="Explore").click()
    page.locator(f"#{cut_id} .picture.live svg").wait_for()
