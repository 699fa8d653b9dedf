"""Write everything that Heartbeat knows into one file, while it goes on working."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import Connection, sql

from heartbeat.backup.backup_file import BackupError, Manifest, manifest, write_file
from heartbeat.backup.client_programs import ClientPrograms, client_programs
from heartbeat.connection_string import for_command_line, without_password
from heartbeat.postgres_session import connect
from heartbeat.schema.version import read_version, refuse_newer
from heartbeat.sql import platform_statements

STATEMENTS = platform_statements("backup")
SCHEMA = "heartbeat"
_LOCK_WAIT = "5min"
"""For a migration, or with landed schemas a load, that holds a table for itself."""


def write_backup(database_url: str, file: Path, *, with_landed: bool) -> tuple[Manifest, int]:
    """Write schema `heartbeat`, and the landed ones if asked, as of one moment.

    Returns what the file holds and its bytes; raises BackupError, SchemaNewerError, NoClientError.
    """
    with _connected(database_url) as connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        # the dump and what is counted here are of the same snapshot
        snapshot = _one(connection, "snapshot")
        found = read_version(connection)
        if found is None:
            raise BackupError("the database has no schema heartbeat; there is nothing to back up")
        refuse_newer(found)
        programs = _programs(connection)
        content = _described(connection, found, programs, with_landed)
        schemas = [SCHEMA, *content.landed_schemas]
        command = [
            *(programs.pg_dump, "--format=custom", "--encoding=UTF8", f"--snapshot={snapshot}"),
            *("--no-publications", "--no-subscriptions", "--no-security-labels"),
            f"--lock-wait-timeout={_LOCK_WAIT}",
            *(f'--schema="{name}"' for name in schemas),
        ]
        size = write_file(file, content, lambda target: _dump(database_url, command, target))
    return content, size


def _connected(database_url: str) -> Connection[Any]:
    try:
        return connect(database_url)
    except psycopg.OperationalError as error:
        said = without_password(" ".join(str(error).split()), database_url)
        raise BackupError(f"marts cannot be backed up: {said}") from None


def server_version(connection: Connection[Any]) -> int:
    """The major version of the server."""
    return int(_one(connection, "server_version"))


def _programs(connection: Connection[Any]) -> ClientPrograms:
    server = server_version(connection)
    return client_programs(
        server, f"the server is PostgreSQL {server}, which an older pg_dump refuses to read"
    )


def _described(
    connection: Connection[Any], found: str, programs: ClientPrograms, with_landed: bool
) -> Manifest:
    landed = _column(connection, "landed_schemas") if with_landed else []
    asked: dict[str, Any] = {"schemas": [SCHEMA, *landed]}
    roles = connection.execute(STATEMENTS["roles"].encode(), asked).fetchall()
    asked["roles"] = [name for name, _ in roles]
    memberships = connection.execute(STATEMENTS["memberships"].encode(), asked).fetchall()
    owners = connection.execute(STATEMENTS["owners"].encode(), asked).fetchall()
    return manifest(
        heartbeat=version("heartbeat"),
        schema_version=found,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        server_version=server_version(connection),
        client_version=programs.version,
        landed_schemas=landed,
        roles=[{"name": name, "login": login} for name, login in roles],
        memberships=[{"role": role, "member": member} for role, member in memberships],
        owners=[{"statement": statement, "role": role} for statement, role in owners],
        rows={table: _rows(connection, table) for table in _column(connection, "tables")},
    )


def _rows(connection: Connection[Any], table: str) -> int:
    count = sql.SQL("select count(*) from {}").format(sql.Identifier(SCHEMA, table))
    row = connection.execute(count).fetchone()
    assert row is not None
    return int(row[0])


def _dump(database_url: str, command: Sequence[str], target: IO[bytes]) -> None:
    address, secret = for_command_line(database_url)
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(
            [*command, f"--dbname={address}"],
            stdout=subprocess.PIPE,
            stderr=said,
            env={**os.environ, **secret},
        ) as dumping:
            assert dumping.stdout is not None
            try:
                shutil.copyfileobj(dumping.stdout, target, 1 << 20)
                ended = dumping.wait()
            finally:
                dumping.kill()
        if ended:
            said.seek(0)
            reason = said.read().decode(errors="replace").strip().partition("\n")[0]
            raise BackupError(f"{reason or f'pg_dump ended with {ended}'}; no file was left")


def _one(connection: Connection[Any], statement: str) -> Any:
    row = connection.execute(STATEMENTS[statement].encode()).fetchone()
    assert row is not None
    return row[0]


def _column(connection: Connection[Any], statement: str) -> list[str]:
    return [row[0] for row in connection.execute(STATEMENTS[statement].encode()).fetchall()]
