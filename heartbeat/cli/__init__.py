"""The command line. Every command exits with 1 and one line on stderr when it fails."""

from heartbeat.cli.application import main

__all__ = ["main"]
