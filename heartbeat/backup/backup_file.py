"""The file of a backup: a tar archive of a manifest, a dump of pg_dump, and the dump's digest.

`tar -xf FILE` and pg_restore read it without Heartbeat.
"""

import fcntl
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from heartbeat.errors import HeartbeatError

_FORMAT = 1
_MANIFEST = "manifest.json"
_DUMP = "marts.dump"
_DIGEST = "marts.dump.sha256"
_CHUNK_BYTES = 1 << 20


class BackupError(HeartbeatError):
    """A backup could not be made; no file was left."""


class BackupFileError(HeartbeatError):
    """A file cannot be restored from."""


@dataclass(frozen=True)
class Manifest:
    """What a backup holds."""

    format: int
    heartbeat: str
    """The version of the product."""
    schema_version: str
    made_at: str
    server_version: int
    client_version: int
    """The major version of the pg_dump that wrote the dump: an older pg_restore cannot read it."""
    landed_schemas: list[str]
    """Those in the file, none without `--with-landed`."""
    roles: list[dict[str, Any]]
    """`name` and `login` of each role that has rights in the schemas."""
    memberships: list[dict[str, Any]]
    """`role` and `member`; the member is null where it is who made the backup."""
    owners: list[dict[str, str]]
    """`role`, and the `statement` that gives it what is its own."""
    rows: Mapping[str, int]
    """How many rows each table of schema `heartbeat` has."""


def manifest(**what: Any) -> Manifest:
    """A manifest of the present format."""
    return Manifest(format=_FORMAT, **what)


def write_file(file: Path, content: Manifest, dump: Callable[[IO[bytes]], None]) -> int:
    """Write the file, which only its owner may read, under another name until it is whole.

    `dump` writes the dump. Returns the bytes of the file; raises BackupError.
    """
    try:
        with _unfinished(file) as target:
            _add(target, _MANIFEST, json.dumps(asdict(content), indent=1).encode())
            digest = _add_dump(target, dump)
            _add(target, _DIGEST, f"{digest}  {_DUMP}\n".encode())
            target.write(b"\0" * 2 * tarfile.BLOCKSIZE)
            return target.tell()
    except OSError as error:
        raise BackupError(f"{file} cannot be written: {error.strerror}; no file was left") from None


def read_manifest(file: Path) -> Manifest:
    """What a file holds; raises BackupFileError where it is no whole backup."""
    with opened_dump(file) as (content, dump):
        digest = hashlib.sha256()
        while chunk := dump.read(_CHUNK_BYTES):
            digest.update(chunk)
    with _opened(file) as archive:
        if _member(archive, _DIGEST).read().decode(errors="replace").split()[:1] != [
            digest.hexdigest()
        ]:
            raise BackupFileError(f"{file} is damaged: its dump is not the one that was written")
    return content


@contextmanager
def opened_dump(file: Path) -> Iterator[tuple[Manifest, IO[bytes]]]:
    """The manifest, and the dump to read."""
    with _opened(file) as archive:
        yield _manifest(file, _member(archive, _MANIFEST).read()), _member(archive, _DUMP)


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(file, "r:") as archive:
            yield archive
    except (tarfile.TarError, KeyError, EOFError) as error:
        raise BackupFileError(
            f"{file} is no whole backup of Heartbeat: it is cut short, or something else"
        ) from error
    except BrokenPipeError:
        raise  # of whoever takes what is read
    except OSError as error:
        raise BackupFileError(f"{file} cannot be read: {error.strerror}") from error


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    member = archive.extractfile(name)
    if member is None:
        raise KeyError(name)
    return member


def _manifest(file: Path, text: bytes) -> Manifest:
    try:
        found = json.loads(text)
        if found["format"] > _FORMAT:
            raise BackupFileError(
                f"{file} was made by Heartbeat {found['heartbeat']}; install that version"
            )
        return Manifest(**found)
    except (ValueError, TypeError, KeyError) as error:
        raise BackupFileError(f"{file} is no backup of Heartbeat: {error}") from error


@contextmanager
def _unfinished(file: Path) -> Iterator[IO[bytes]]:
    """A file beside the one that is meant, which takes its place at the end."""
    beside = file.with_name(f".{file.name}.unfinished")
    with os.fdopen(os.open(beside, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as target:
        try:
            # one that was left by a killed backup is not locked, and is written over
            fcntl.flock(target, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(f"another backup writes {file} now") from None
        try:
            target.truncate(0)
            os.fchmod(target.fileno(), 0o600)
            yield target
            target.flush()
            os.fsync(target.fileno())
            beside.rename(file)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def _add(target: IO[bytes], name: str, content: bytes) -> None:
    target.write(_header(name, len(content)))
    target.write(content)
    _pad(target, len(content))


def _add_dump(target: IO[bytes], dump: Callable[[IO[bytes]], None]) -> str:
    """The dump as a member whose size is known only when it is written."""
    header_at = target.tell()
    target.write(_header(_DUMP, 0))
    hashed = _Hashed(target)
    dump(hashed)  # type: ignore[arg-type]  # it only writes
    _pad(target, hashed.size)
    end = target.tell()
    target.seek(header_at)
    target.write(_header(_DUMP, hashed.size))
    target.seek(end)
    return hashed.digest.hexdigest()


class _Hashed(io.RawIOBase):
    """Counts and hashes what is written through it."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self.size = 0
        self.digest = hashlib.sha256()

    def write(self, chunk: Any) -> int:
        self.digest.update(chunk)
        self.size += len(chunk)
        return self._target.write(chunk)


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member.tobuf(tarfile.GNU_FORMAT)


def _pad(target: IO[bytes], size: int) -> None:
    target.write(b"\0" * (-size % tarfile.BLOCKSIZE))
