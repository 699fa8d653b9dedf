"""Everything that Heartbeat raises for a person to read and mend."""

from pathlib import Path


class HeartbeatError(Exception):
    """What is wrong, where, and how to mend it, in one line. The CLI prints it as it is."""


class ContentError(HeartbeatError):
    """A content file (source, metric, segments, cut) that cannot be used; the rest still loads."""

    def __init__(self, path: Path, line: int, problem: str) -> None:
        super().__init__(f"{path}:{line}: {problem}")
        self.path = path
        self.line = line
        self.problem = problem


class SettingsError(HeartbeatError):
    """A setting or the state folder cannot be used."""


class SourceUnreachableError(HeartbeatError):
    """A source system cannot be connected to."""
