"""The code location that Dagster loads."""

import gc

from dagster import Definitions

from heartbeat.settings import Settings


def _loaded() -> Definitions:
    # what is made here stays: collecting garbage meanwhile costs a fifth of the load, frees nothing
    gc.disable()
    try:
        from heartbeat_assets.code_location import code_location

        return code_location(Settings.load())
    finally:
        gc.enable()


defs = _loaded()
