"""Dagster's application with all that stands before it."""

import logging
from urllib.parse import urlsplit

from dagster_guard.guard import Guard
from heartbeat.settings import Settings
from heartbeat_web.door import App, Door, Limits
from heartbeat_web.hosts import HostPolicy, named_hosts
from heartbeat_web.operators import OperatorPolicy
from heartbeat_web.refusal import RefusalLog

_LONGEST_BODY = 5_000_000
"""A launch of the UI names every asset that it makes."""


def guarded(dagster: App, settings: Settings) -> App:
    """Dagster's application behind the door and the guard."""
    log = RefusalLog(logging.getLogger("dagster_guard.refusals"))
    hosts = dagster_hosts(settings)
    operators = OperatorPolicy(settings, hosts)
    return Door(
        Guard(dagster, settings, hosts, operators, log),
        hosts,
        log,
        single_headers=(settings.identity_header,),
        limits=Limits(body=_LONGEST_BODY, url=16_000),
    )


def dagster_hosts(settings: Settings) -> HostPolicy:
    """The names of Dagster's web server: for people, and for the API and the command line."""
    public = settings.public_dagster_url
    return named_hosts(settings, public, also=[urlsplit(settings.dagster_url).hostname or ""])
