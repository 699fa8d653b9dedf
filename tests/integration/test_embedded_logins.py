"""The embedded server asks everybody for a password, also where an earlier version trusted all."""

import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from heartbeat.cli.marts import opened_marts
from heartbeat.connection_string import of_database
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.errors import SettingsError
from heartbeat.login import Login
from heartbeat.settings import Settings
from heartbeat.stack.doctor import Finding, State, examine
from heartbeat.stack.process_lock import UP, LockFolder, held_by_this
from tests.integration.command_line import refused, run_here, told


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder with a short path, and no server of one's own."""
    folder = Path(tempfile.mkdtemp(prefix="heartbeat-logins-"))
    monkeypatch.setenv("HEARTBEAT_HOME", str(folder))
    monkeypatch.setenv("HEARTBEAT_PROJECT", str(folder))
    monkeypatch.delenv("HEARTBEAT_DATABASE_URL", raising=False)
    yield folder
    shutil.rmtree(folder)


def refuses_everybody_without_password(settings: Settings) -> None:
    for role in ("postgres", *map(str, Login)):
        for password in ("x", "postgres"):
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(settings.database_url, user=role, password=password)


def test_a_new_server_lets_nobody_in_without_a_password_that_only_we_can_read(home: Path) -> None:
    with opened_marts() as settings:
        refuses_everybody_without_password(settings)
        for login in Login:
            url = (
                settings.dagster_login_url if login is Login.DAGSTER else settings.login_url(login)
            )
            with psycopg.connect(url) as connection:
                assert connection.execute("select current_user").fetchone() == (login.value,)
            for other in ("postgres", "template1"):
                with pytest.raises(psycopg.OperationalError, match="permission denied"):
                    psycopg.connect(of_database(url, other))
    files = sorted((home / "logins").iterdir())
    assert [file.name for file in files] == sorted(["postgres", *map(str, Login)])
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((home / "logins").stat().st_mode) == 0o700
    assert len({file.read_text() for file in files}) == len(files)


def roles_as_the_doctor_sees_them(settings: Settings) -> Finding:
    return next(each for each in examine(settings) if each.part == "roles")


def test_the_doctor_tells_logins_that_work_from_one_that_is_refused_or_lacks_a_role(
    home: Path,
) -> None:
    with opened_marts() as settings:
        healthy = roles_as_the_doctor_sees_them(settings)
        assert (healthy.state, healthy.told) == (
            State.OK,
            f"every role is there, {len(Login)} logins tried",
        )
        with psycopg.connect(settings.database_url, autocommit=True) as connection:
            connection.execute("alter role heartbeat_compute password 'another'")
            connection.execute("revoke heartbeat_sync from heartbeat_ingest")
        found = roles_as_the_doctor_sees_them(settings)
    assert found.state is State.FAIL
    assert found.told.startswith("heartbeat_ingest may not take the role heartbeat_sync; ")
    assert "heartbeat_compute cannot log in: " in found.told
    assert "password authentication failed" in found.told
    assert "heartbeat_api" not in found.told
    assert found.to_do == "run `heartbeat migrate`"


def test_a_server_that_another_process_starts_is_waited_for_and_left_running(home: Path) -> None:
    settings = Settings.load()
    settings.embedded_postgres.prepare()
    held = LockFolder(home).of(UP).guard.take(held_by_this(UP, stage=0))
    over = threading.Event()

    def guard() -> None:
        with settings.embedded_postgres.running():
            over.wait()

    starting = threading.Timer(1, guard)
    starting.start()
    try:
        with opened_marts() as opened, psycopg.connect(opened.login_url(Login.API)):
            pass
        assert settings.embedded_postgres.answers()
    finally:
        over.set()
        starting.join()
        os.close(held)
    assert not settings.embedded_postgres.answers()


def test_a_server_that_does_not_come_back_in_time_is_no_folder_to_move_away(home: Path) -> None:
    server = Settings.load().embedded_postgres
    with (
        pytest.raises(SettingsError, match="is starting or recovering; try again") as told,
        server.running(is_kept_up=lambda: True, seconds=0.5),
    ):
        raise AssertionError
    assert "move" not in str(told.value)


def nothing(settings: Settings) -> None:
    """Before its first step."""


def a_password_was_made(settings: Settings) -> None:
    settings.login_folder.ensure("postgres")


def the_password_was_set(settings: Settings) -> None:
    password = settings.login_folder.ensure("postgres")
    trusting = EmbeddedPostgres(settings.home / "postgres")
    with trusting.running(), psycopg.connect(trusting.url("postgres")) as connection:
        connection.execute(f"alter role postgres password '{password}'".encode())


def the_rules_were_written_beside(settings: Settings) -> None:
    the_password_was_set(settings)
    (settings.home / "postgres" / "pg_hba.conf.new").write_text("local al")


@pytest.mark.parametrize(
    "broken_off",
    [nothing, a_password_was_made, the_password_was_set, the_rules_were_written_beside],
)
def test_a_server_that_trusted_everybody_asks_for_passwords_and_keeps_its_rows(
    home: Path, broken_off: Callable[[Settings], None]
) -> None:
    """Wherever an earlier start was killed on the way."""
    earlier = EmbeddedPostgres(home / "postgres")
    with earlier.running(), psycopg.connect(earlier.url("postgres"), autocommit=True) as trusted:
        trusted.execute("create table kept as select 1 as n")
    broken_off(Settings.load())

    for _ in range(2):
        with opened_marts() as settings:
            refuses_everybody_without_password(settings)
            with psycopg.connect(settings.embedded_postgres.url("postgres")) as connection:
                assert connection.execute("select n from kept").fetchone() == (1,)


def test_migrate_and_backup_start_the_server_and_the_doctor_says_once_that_it_does_not_run(
    home: Path,
) -> None:
    assert "there is nothing to back up" in refused(run_here("backup", str(home / "a.backup")))
    assert list(home.iterdir()) == []
    assert told(run_here("migrate")).endswith("The databases are ready.\n")
    told(run_here("backup", str(home / "a.backup")))
    found = [each for each in examine(Settings.load()) if "marts" in each.part + each.told]
    assert [each.part for each in found] == ["marts"]
    assert "the embedded server in" in found[0].told
    assert "`heartbeat up`" in found[0].to_do
