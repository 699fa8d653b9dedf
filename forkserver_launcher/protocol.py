"""What a launcher and its fork server tell each other."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Load:
    """To the server, first and once: load this repository."""

    repository: str
    """A serialized RepositoryPythonOrigin."""
    locks: Path
    """The folder of the workers' locks."""
    modules: tuple[str, ...]
    """What a worker would import before it does anything else."""
    nice: int
    """By how much the server and its workers stand back from other processes."""


@dataclass(frozen=True)
class Fork:
    """To the server: fork a worker for this run."""

    run_id: str
    instance: str
    """A serialized InstanceRef."""
    kill_after_seconds: float
    """How long the worker may go on after it was interrupted."""


@dataclass(frozen=True)
class Retire:
    """To the server: no more runs; end with the last worker."""


@dataclass(frozen=True)
class Loaded:
    """From the server: the repository is loaded, from these files."""

    files: tuple[str, ...]


@dataclass(frozen=True)
class NotLoaded:
    """From the server, which ends: the repository cannot be loaded."""

    reason: str


@dataclass(frozen=True)
class Forked:
    """From the server: the run has a worker, which holds its lock."""

    run_id: str
    pid: int


@dataclass(frozen=True)
class NotForked:
    """From the server: the run has no worker."""

    run_id: str
    reason: str


@dataclass(frozen=True)
class Ended:
    """From the server: the worker of the run is gone."""

    run_id: str
    pid: int
    exit_code: int
    """Negative: killed by that signal."""
