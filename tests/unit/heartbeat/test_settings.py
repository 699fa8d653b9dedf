"""Settings come from Heartbeat's own variables and from no other."""

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import make_url

from heartbeat.errors import SettingsError
from heartbeat.settings import Settings


def test_variables_of_other_programs_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "PROJECT", "TIMEZONE", "BIND_HOST", "API_PORT"):
        monkeypatch.setenv(name, "/somewhere/else")
    for name in ("HEARTBEAT_HOME", "HEARTBEAT_PROJECT", "HEARTBEAT_TIMEZONE"):
        monkeypatch.delenv(name, raising=False)
    settings = Settings.load()
    assert settings.home == Path.cwd() / ".heartbeat"
    assert settings.project == Path.cwd()
    assert settings.timezone == "UTC"


def test_without_a_database_url_the_marts_are_embedded_in_the_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HEARTBEAT_DATABASE_URL", raising=False)
    monkeypatch.setenv("HEARTBEAT_HOME", "/srv/beat")
    settings = Settings.load()
    assert settings.database_url == (
        "postgresql://postgres:x@localhost:5432/marts?host=/srv/beat/postgres"
    )
    dagster = make_url(settings.dagster_database_url)
    assert dagster.drivername == "postgresql+psycopg2"
    address = conninfo_to_dict(str(dagster.query["dsn"]))
    assert (address["dbname"], address["host"]) == ("marts_dagster", "/srv/beat/postgres")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HEARTBEAT_TIMEZONE", "Europe/Vilna?", "is not an IANA time zone"),
        ("HEARTBEAT_DATABASE_URL", "mysql://db/marts", "postgresql://user:password@host"),
        ("HEARTBEAT_DATABASE_URL", "postgresql://db", "postgresql://user:password@host"),
        ("HEARTBEAT_LOCK_TIMEOUT", "0", "is not a duration such as"),
        ("HEARTBEAT_API_PORT", "99999", "must be at most 65535"),
        ("HEARTBEAT_CODE_PORT", "four", "must be a whole number"),
    ],
    ids=[
        "unknown zone",
        "another database",
        "no database name",
        "no limit",
        "port too high",
        "no number",
    ],
)
def test_a_bad_value_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        Settings.load()
    assert str(raised.value).startswith(f"{name}: ")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_socket_folder_with_a_long_path_moves_to_a_short_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HEARTBEAT_DATABASE_URL", raising=False)
    monkeypatch.setenv("HEARTBEAT_HOME", "/" + "long/" * 30)
    assert len(Settings.load().database_url.partition("host=")[2]) < 80
