"""The code location that Dagster loads."""

import gc

from dagster import Definitions

from heartbeat.json_log import install
from heartbeat.settings import Settings


def _loaded() -> Definitions:
    # what is made here stays: collecting garbage meanwhile costs a fifth of the load, frees nothing
    gc.disable()
    try:
        from heartbeat_assets.code_location import code_location

        settings = Settings.load()
        # the servers that Dagster starts for code and runs are nobody's own to configure
        install(settings.log_format)
        return code_location(settings)
    finally:
        gc.enable()


defs = _loaded()
