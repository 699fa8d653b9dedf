"""A wall behind a proxy during a deploy, while an old and a new build answer by turns."""

import os
import shutil
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Route

from tests.acceptance.cockpit import Cockpit
from tests.acceptance.test_cockpit_in_a_browser import screen
from tests.integration.api_servers import REPOSITORY, ApiProcess, api_processes
from tests.unit.heartbeat_api.stored_metrics import USUAL_WALL

_PATIENCE = 1_500
"""Seconds of the screen's own clock, which runs ahead of answers on a busy machine."""


class Turns:
    """Sends what a browser asks for to the servers by turns, each path for itself."""

    def __init__(self, *servers: ApiProcess) -> None:
        self._servers = servers
        self._asked: Counter[str] = Counter()

    def __call__(self, route: Route) -> None:
        url = urlsplit(route.request.url)
        server = self._servers[self._asked[url.path] % len(self._servers)]
        self._asked[url.path] += 1
        route.continue_(url=f"{server.origin}{url.path}?{url.query}")


def another_build(folder: Path) -> str:
    """The path of modules on which the API is of another build."""
    shutil.copytree(REPOSITORY / "heartbeat_api", folder / "heartbeat_api")
    with (folder / "heartbeat_api" / "static" / "wall.css").open("a") as style:
        style.write("\n/* new */\n")
    return os.pathsep.join((str(folder), str(REPOSITORY)))


def test_a_wall_goes_to_the_new_build_once_and_stays_there(
    browser: Browser, cockpit: Cockpit, module_marts_url: str, tmp_path: Path
) -> None:
    cockpit.shows(USUAL_WALL)
    variables = {"HEARTBEAT_DATABASE_URL": module_marts_url}
    newer = {**variables, "PYTHONSAFEPATH": "1", "PYTHONPATH": another_build(tmp_path / "new")}
    loads: list[str] = []
    with (
        api_processes(1, variables, tmp_path) as (old,),
        api_processes(1, newer, tmp_path) as (new,),
        screen(browser, old.origin) as shown,
    ):
        shown.page.on("load", lambda page: loads.append(page.url))
        build = "document.body.dataset.build"
        first = shown.page.evaluate(build)

        shown.page.route("**/*", Turns(old, new))
        shown.passes_until(lambda: bool(loads), _PATIENCE)
        shown.passes(300)
        assert len(loads) <= 2

        shown.page.unroute("**/*")
        shown.page.route("**/*", Turns(new))
        shown.passes_until(lambda: shown.page.evaluate(build) != first, _PATIENCE)
        assert len(loads) <= 3
        reloaded = len(loads)
        shown.passes(120)
        assert len(loads) == reloaded
