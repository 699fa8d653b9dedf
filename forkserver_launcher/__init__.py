"""A Dagster run launcher that forks each run from a process that has loaded the code already."""

from forkserver_launcher.launcher import ForkServerRunLauncher

__all__ = ["ForkServerRunLauncher"]
