"""The programs of a PostgreSQL client, of a version that a server or a file can be read with."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from heartbeat.embedded_postgres import PSQL
from heartbeat.errors import HeartbeatError

_INSTALLED = Path("/usr/lib/postgresql")
"""Where Debian and Ubuntu keep the programs of each version."""


class NoClientError(HeartbeatError):
    """No PostgreSQL client here is new enough."""


@dataclass(frozen=True)
class ClientPrograms:
    """pg_dump, pg_restore and psql of one version."""

    folder: Path
    version: int
    """The major version."""

    @property
    def pg_dump(self) -> str:
        """Reads a server of its version or of an older one."""
        return str(self.folder / "pg_dump")

    @property
    def pg_restore(self) -> str:
        """Reads a file of its version or of an older one."""
        return str(self.folder / "pg_restore")

    @property
    def psql(self) -> str:
        """Understands what pg_restore of its version writes."""
        return str(self.folder / "psql")


def client_programs(least_version: int, reason: str) -> ClientPrograms:
    """Those that come with Heartbeat, or others of this machine where they are too old.

    Raises NoClientError, which gives `reason`.
    """
    for folder in _folders():
        version = _version(folder)
        if version is not None and version >= least_version:
            return ClientPrograms(folder, version)
    raise NoClientError(
        f"{reason}; install a PostgreSQL client of version {least_version} or newer "
        f"(the package postgresql-client-{least_version}), so that pg_dump is on the PATH"
    )


def _folders() -> Iterator[Path]:
    yield PSQL.parent
    if found := shutil.which("pg_dump"):
        yield Path(found).parent
    if _INSTALLED.is_dir():
        yield from sorted(_INSTALLED.glob("*/bin"), reverse=True)


def _version(folder: Path) -> int | None:
    """The version of the programs; None where one of them is missing."""
    programs = [folder / name for name in ("pg_dump", "pg_restore", "psql")]
    if not all(program.exists() for program in programs):
        return None
    told = subprocess.run(
        [programs[0], "--version"], capture_output=True, text=True, check=False
    ).stdout
    found = re.search(r"(\d+)(?:\.\d+|devel|beta|rc)", told)
    return int(found[1]) if found else None
