"""What has been kept long enough in marts and in the working folder."""

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import sql

from heartbeat.displays import forget_displays
from heartbeat.landing.landed_name import dlt_name
from heartbeat.login import Login
from heartbeat.platform_state import forget_refresh_disk
from heartbeat.postgres_session import connect
from heartbeat.settings import Settings
from heartbeat.sql import platform_statements

_STATEMENTS = platform_statements("hygiene")


@dataclass(frozen=True)
class Removed:
    """How much was removed."""

    observations: int
    table_loads: int
    dlt_loads: int
    dlt_folders: int
    displays: int
    refresh_disks: int


def remove_old(settings: Settings, landed_schemas: Collection[str], *, now: datetime) -> Removed:
    """Remove rows older than the limits of the settings, and folders of schemas that are gone.

    Observations and the log of landings go by `keep_observations_days`; the rows in which dlt
    counts its loads, screens that are dark and what landings took of the disk by `keep_runs_days`.
    """
    observed = {"before": now - timedelta(days=settings.keep_observations_days)}
    ran = now - timedelta(days=settings.keep_runs_days)
    with connect(settings.login_url(Login.INGEST)) as connection:
        names = connection.execute(
            _STATEMENTS["load_tables"], {"schemas": list(landed_schemas)}
        ).fetchall()
        delete = sql.SQL("delete from {} where inserted_at < {}")
        return Removed(
            observations=connection.execute(_STATEMENTS["observations"], observed).rowcount,
            table_loads=connection.execute(_STATEMENTS["table_loads"], observed).rowcount,
            dlt_loads=sum(
                connection.execute(delete.format(sql.SQL(name), sql.Literal(ran))).rowcount
                for (name,) in names
            ),
            dlt_folders=_remove_folders(settings, landed_schemas, ran),
            displays=forget_displays(connection, ran),
            refresh_disks=forget_refresh_disk(connection, ran),
        )


def _remove_folders(settings: Settings, landed_schemas: Collection[str], before: datetime) -> int:
    """Working folders of schemas that are landed no longer, once they have been left alone."""
    kept = {*map(dlt_name, landed_schemas), "definitions"}
    removed = 0
    for folder in settings.dlt_home.glob("*"):
        if folder.name not in kept and folder.stat().st_mtime < before.timestamp():
            shutil.rmtree(folder)
            removed += 1
    return removed
