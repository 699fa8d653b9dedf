"""Who listens on a port of this machine, as Linux tells it to users who may know."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_LISTEN = "0A"
_LONGEST = 120


def port_user(port: int) -> str | None:
    """Pid and command of a process that listens there; None where this cannot be known."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    for pid in _pids():
        if sockets & set(_open_files(pid)):
            return f"process {pid}, {_command(pid)}"
    return None


def _listening(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def _pids() -> Iterator[str]:
    with suppress(OSError):
        yield from (entry.name for entry in _PROC.iterdir() if entry.name.isdigit())


def _open_files(pid: str) -> Iterator[str]:
    with suppress(OSError):
        for descriptor in (_PROC / pid / "fd").iterdir():
            with suppress(OSError):
                yield str(descriptor.readlink())


def _command(pid: str) -> str:
    with suppress(OSError):
        words = (_PROC / pid / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        return b" ".join(words).decode(errors="replace")[:_LONGEST]
    return "whose command cannot be read"
