"""The code location that Dagster loads."""

from heartbeat.settings import Settings
from heartbeat_assets.code_location import code_location

defs = code_location(Settings.load())
