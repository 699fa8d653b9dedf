"""Bring back what a backup holds, all of it or nothing."""

import io
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from psycopg import Connection, sql

from heartbeat.backup.backup import SCHEMA, STATEMENTS, server_version
from heartbeat.backup.backup_file import BackupFileError, Manifest, opened_dump, read_manifest
from heartbeat.backup.client_programs import ClientPrograms, client_programs
from heartbeat.connection_string import database_name, for_command_line, without_password
from heartbeat.database import ensure_database
from heartbeat.errors import HeartbeatError
from heartbeat.postgres_session import connect
from heartbeat.schema.migration import MIGRATION_LOCK
from heartbeat.schema.version import KNOWN_VERSION
from heartbeat.sql import platform_statements

_CHUNK_BYTES = 1 << 20
_TIMEOUT_SETTING = b"SET transaction_timeout = 0;\n"
_KNOWS_TRANSACTION_TIMEOUT = 17
_INTERNAL_OPTION = re.compile(
    rb"^ALTER TABLE ONLY [^\n]+ ALTER COLUMN [^\n]+ SET \(pg_attver=\d+\);\n", re.MULTILINE
)
"""What some servers (15.20) note at columns for themselves, pg_dump 18 writes, and none accepts."""

_LOGINS = platform_statements("logins")
_NAME = r'(?:[a-z_][a-z0-9_$]*|"(?:[^"\x00-\x1f\\]|"")+")'
_GIVES_TO_A_ROLE = re.compile(
    rf"alter (?:schema|table|view|materialized view|sequence|foreign table|routine|type) "
    rf"{_NAME}(?:\.{_NAME})?(?:\((?:{_NAME}|[ ,.\[\]])*\))? owner to {_NAME}"
)
"""The statements that are written for `owners`: psql carries them out."""
_READY = b"ready to commit"
_ERROR = re.compile(r"^(?:psql:.*?: )?(?:ERROR|FATAL):\s*(.*)", re.MULTILINE)


class RestoreError(HeartbeatError):
    """A restore was refused or failed; the database is as it was."""


def restore_backup(database_url: str, file: Path) -> Manifest:
    """Make schema `heartbeat`, and the landed ones of the file, as they were; one transaction.

    The database is made where it is missing. Its schema `heartbeat` may be there, but without rows.
    The schema is of the file's version afterwards; `prepare_databases` brings it to that of this
    code. Raises BackupFileError, RestoreError, NoClientError.
    """
    content = read_manifest(file)
    if content.schema_version > KNOWN_VERSION:
        raise BackupFileError(
            f"{file} holds the schema at {content.schema_version}, this version of Heartbeat "
            f"knows {KNOWN_VERSION}; install the newer version"
        )
    if not all(_GIVES_TO_A_ROLE.fullmatch(each["statement"]) for each in content.owners):
        raise BackupFileError(
            f"{file} holds a statement that no backup writes; restore only files that you made"
        )
    programs = client_programs(
        content.client_version,
        f"{file} was written by pg_dump {content.client_version}, "
        "whose files an older pg_restore cannot read",
    )
    ensure_database(database_url)
    with connect(database_url, autocommit=True) as connection:
        _refuse_filled(connection, content, database_url)
        before = _text(connection, _before(content))
        after = _text(connection, _after(content))
        older = server_version(connection) < _KNOWS_TRANSACTION_TIMEOUT
    _Restore(database_url, programs, older=older).run(before, file, after)
    return content


def _refuse_filled(connection: Connection[Any], content: Manifest, database_url: str) -> None:
    name = database_name(database_url)
    filled = _filled(connection)
    if filled:
        raise RestoreError(
            f"the database {name} holds rows in schema heartbeat ({', '.join(filled)}), and a "
            "restore takes the place of nothing; restore into another database, or move that "
            "schema away first: "
            "heartbeat psql -c 'alter schema heartbeat rename to heartbeat_before'"
        )
    asked = {"schemas": content.landed_schemas}
    if there := connection.execute(STATEMENTS["present"].encode(), asked).fetchall():
        names = ", ".join(row[0] for row in there)
        raise RestoreError(
            f"the database {name} has the landed schemas {names} already; restore into another "
            "database, or drop or rename them first"
        )


def _filled(connection: Connection[Any]) -> list[str]:
    """The tables of schema `heartbeat` that have rows."""
    there = connection.execute("select to_regnamespace('heartbeat') is not null").fetchone()
    if not there or not there[0]:
        return []
    tables = [row[0] for row in connection.execute(STATEMENTS["tables"].encode()).fetchall()]
    exists = sql.SQL("select exists (select from {})")
    return [
        table
        for table in tables
        if table != "schema_version"
        and (row := connection.execute(exists.format(sql.Identifier(SCHEMA, table))).fetchone())
        and row[0]
    ]


def _before(content: Manifest) -> Iterator[sql.Composable]:
    yield sql.SQL("begin transaction isolation level read committed read write")
    yield sql.SQL("select pg_advisory_xact_lock({})").format(sql.Literal(MIGRATION_LOCK))
    yield _statement("refuse_rows")
    yield sql.SQL("drop schema if exists heartbeat cascade")
    yield from _told("roles", content.roles)
    yield from _told("memberships", content.memberships)
    yield from _told("owners", sorted({each["role"] for each in content.owners}))
    yield _statement("make_roles")
    # memberships of the restoring owner among them, who is another one than that of the file
    yield sql.SQL(_LOGINS["roles"])


def _after(content: Manifest) -> Iterator[sql.Composable]:
    for owner in content.owners:
        yield sql.SQL(owner["statement"])
    yield from _told("rows", content.rows)
    yield _statement("check_rows")
    yield _statement("unlanded")
    yield sql.SQL("select {}").format(sql.Literal(_READY.decode()))


def _told(name: str, value: Any) -> Iterator[sql.Composable]:
    """A setting of the transaction, which a block of statements reads."""
    yield sql.SQL("select set_config({}, {}, true)").format(
        sql.Literal(f"heartbeat.{name}"), sql.Literal(json.dumps(value))
    )


def _statement(name: str) -> sql.Composable:
    return sql.SQL(STATEMENTS[name])


def _text(connection: Connection[Any], statements: Iterator[sql.Composable]) -> bytes:
    return "".join(f"{each.as_string(connection)};\n" for each in statements).encode()


class _Restore:
    """pg_restore writes the dump as statements, and psql carries them out between others.

    psql commits when all of them have succeeded: whatever ends before leaves nothing.
    """

    def __init__(self, database_url: str, programs: ClientPrograms, *, older: bool) -> None:
        self._database_url = database_url
        self._programs = programs
        self._older = older

    def run(self, before: bytes, file: Path, after: bytes) -> None:
        """Carry it all out; raises RestoreError."""
        with tempfile.TemporaryFile() as said:
            psql = self._psql(said)
            assert psql.stdin is not None
            assert psql.stdout is not None
            try:
                psql.stdin.write(before)
                self._write_statements(file, psql.stdin)
                psql.stdin.write(after)
                psql.stdin.flush()
                # what stands in a pipe is carried out even if we are killed: the end is not in it
                if _READY in map(bytes.strip, psql.stdout):
                    psql.stdin.write(b"commit;\n")
            except BrokenPipeError:
                pass  # psql has ended, and says why
            finally:
                with suppress(BrokenPipeError):
                    psql.stdin.close()
                psql.stdout.close()
                ended = psql.wait()
            if ended:
                raise self._failed(said)

    def _psql(self, said: IO[bytes]) -> subprocess.Popen[bytes]:
        address, secret = for_command_line(self._database_url)
        return subprocess.Popen(
            [
                *(self._programs.psql, "--no-psqlrc", "--quiet", "--no-password"),
                *("--tuples-only", "--no-align"),
                *("--set=ON_ERROR_STOP=1", f"--dbname={address}"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env={**os.environ, **secret, "PGOPTIONS": "", "PGCLIENTENCODING": "UTF8"},
        )

    def _write_statements(self, file: Path, target: IO[bytes]) -> None:
        definitions = io.BytesIO()
        self._write_sections(file, ["pre-data"], definitions)
        target.write(_INTERNAL_OPTION.sub(b"", definitions.getvalue()))
        self._write_sections(file, ["data", "post-data"], target)

    def _write_sections(self, file: Path, sections: Sequence[str], target: IO[bytes]) -> None:
        command = [
            *(self._programs.pg_restore, "--no-owner", "--no-tablespaces"),
            *("--no-security-labels", "--file=-"),
            *(f"--section={section}" for section in sections),
        ]
        with opened_dump(file) as (_, dump), tempfile.TemporaryFile() as said:
            with subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said
            ) as pg_restore:
                assert pg_restore.stdin is not None
                assert pg_restore.stdout is not None
                feeding = threading.Thread(target=_feed, args=[dump, pg_restore.stdin])
                feeding.start()
                try:
                    target.write(self._known_settings(pg_restore.stdout.read(_CHUNK_BYTES)))
                    shutil.copyfileobj(pg_restore.stdout, target, _CHUNK_BYTES)
                    ended = pg_restore.wait()
                finally:
                    pg_restore.kill()
                    feeding.join()
            if ended:
                raise self._failed(said)

    def _known_settings(self, beginning: bytes) -> bytes:
        """The statements without a setting that pg_restore makes and an older server refuses."""
        return beginning.replace(_TIMEOUT_SETTING, b"", 1) if self._older else beginning

    def _failed(self, said: IO[bytes]) -> RestoreError:
        said.seek(0)
        text = said.read().decode(errors="replace").strip()
        error = _ERROR.search(text)
        reason = error[1] if error else text.partition("\n")[0]
        return RestoreError(f"nothing was restored: {without_password(reason, self._database_url)}")


def _feed(dump: IO[bytes], target: IO[bytes]) -> None:
    with suppress(BrokenPipeError), target:
        shutil.copyfileobj(dump, target, _CHUNK_BYTES)
