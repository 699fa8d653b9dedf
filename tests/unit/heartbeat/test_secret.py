"""Every secret can be given as a file, and what is wrong with one names its variable."""

from itertools import pairwise
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from heartbeat.errors import SettingsError, SourceUnreachableError
from heartbeat.login import Login
from heartbeat.settings import SECRET_VARIABLES, Settings
from heartbeat.source import SourceFile, connection_url, parse_source_file
from heartbeat.stack.process import environment
from heartbeat.stack.process_secrets import only_needed, without_secrets

URL = "postgresql://owner:hunter22@db/marts"
SECRETS = {
    **{login.password_variable: f"of-{login.name.lower()}" for login in Login},
    "HEARTBEAT_DATABASE_URL": URL,
    "HEARTBEAT_OPERATOR_TOKENS": "ada=0123456789abcdef",
    "HEARTBEAT_DAGSTER_TOKEN": "of-dagster-and-the-api",
    "HEARTBEAT_READ_DATABASE_URL": "postgresql://standby/marts?password=of-the-standby",
    "SOURCE_BANK_URL": "postgresql://reader:of-the-bank@bank/core",
}
ALLOWED = {
    "code-location": {"HEARTBEAT_DAGSTER_PASSWORD"},
    "daemon": {
        *("HEARTBEAT_DAGSTER_PASSWORD", "HEARTBEAT_INGEST_PASSWORD", "HEARTBEAT_COMPUTE_PASSWORD"),
        *("HEARTBEAT_READER_PASSWORD", "SOURCE_BANK_URL"),
    },
    "webserver": {
        *("HEARTBEAT_DAGSTER_PASSWORD", "HEARTBEAT_DAGSTER_TOKEN", "HEARTBEAT_OPERATOR_TOKENS"),
    },
    "api": {
        *("HEARTBEAT_API_PASSWORD", "HEARTBEAT_OPERATOR_PASSWORD", "HEARTBEAT_OPERATOR_TOKENS"),
        *("HEARTBEAT_DAGSTER_TOKEN", "HEARTBEAT_READ_DATABASE_URL"),
    },
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one source, on settings of which none is given yet."""
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "bank.yaml").write_text(
        "kind: postgres\nconnection_env: SOURCE_BANK_URL\nschemas: [core]\n"
    )
    monkeypatch.setenv("HEARTBEAT_PROJECT", str(tmp_path))
    monkeypatch.setenv("HEARTBEAT_HOME", str(tmp_path / "home"))
    for name in (*SECRETS, *(f"{each}_FILE" for each in SECRETS)):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_every_secret_of_the_settings_may_be_a_file(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(SECRET_VARIABLES) == set(SECRETS) - {"SOURCE_BANK_URL"}
    for name, secret in SECRETS.items():
        (project / name).write_text(f"{secret}\n")
        monkeypatch.setenv(f"{name}_FILE", str(project / name))
    settings = Settings.load()
    assert settings.database_url == URL
    assert settings.operator_tokens == {"ada": "0123456789abcdef"}
    for login in Login:
        said = conninfo_to_dict(settings.login_url(login))
        assert (said["user"], said["password"]) == (login.value, f"of-{login.name.lower()}")
        assert (said["host"], said["dbname"]) == ("db", "marts")
    file = parse_source_file(project / "sources" / "bank.yaml")
    assert connection_url("bank", file) == SECRETS["SOURCE_BANK_URL"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("\n", "is empty; it must hold the secret"),
        (b"\xff\xfe", "is not a text in UTF-8"),
    ],
    ids=["missing", "empty", "no text"],
)
@pytest.mark.parametrize("variable", SECRETS)
def test_a_file_that_holds_no_secret_is_one_line_that_names_the_variable(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    content: str | bytes | None,
    words: str,
) -> None:
    secret = project / "secret"
    if content is not None:
        secret.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setenv(f"{variable}_FILE", str(secret))
    told = refusal(project)
    assert f"{variable}_FILE: " in told
    assert words in told


@pytest.mark.parametrize("variable", SECRETS)
def test_a_secret_and_its_file_are_not_both_believed(
    project: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, SECRETS[variable])
    monkeypatch.setenv(f"{variable}_FILE", str(project / "secret"))
    told = refusal(project)
    assert f"{variable} and {variable}_FILE are both set; unset one of them" in told
    assert SECRETS[variable] not in told


def read_all(file: SourceFile) -> None:
    Settings.load()
    connection_url("bank", file)


def refusal(project: Path) -> str:
    file = parse_source_file(project / "sources" / "bank.yaml")
    with pytest.raises((SettingsError, SourceUnreachableError)) as refused:
        read_all(file)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("suffix", ["", "_FILE"], ids=["values", "files"])
@pytest.mark.parametrize("process", ALLOWED)
def test_a_process_finds_the_secrets_of_its_own_work_only(
    project: Path, monkeypatch: pytest.MonkeyPatch, process: str, suffix: str
) -> None:
    for name, secret in SECRETS.items():
        (project / name).write_text(secret)
        monkeypatch.setenv(f"{name}{suffix}", str(project / name) if suffix else secret)
    settings = Settings.load()
    found = only_needed(process, environment(settings), settings)
    given = {name for name in SECRETS if f"{name}{suffix}" in found}
    assert given - {"HEARTBEAT_DATABASE_URL"} == ALLOWED[process]
    assert conninfo_to_dict(found["HEARTBEAT_DATABASE_URL"]) == {"host": "db", "dbname": "marts"}
    assert "hunter22" not in str(found)


def test_a_source_file_that_cannot_be_read_keeps_its_secret_from_others_all_the_same(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "sources" / "broken.yaml").write_text("connection_env: SOURCE_X_URL\n  : [")
    monkeypatch.setenv("SOURCE_X_URL", "postgresql://x:y@z/w")
    settings = Settings.load()
    assert "SOURCE_X_URL" in only_needed("daemon", environment(settings), settings)
    assert "SOURCE_X_URL" not in only_needed("api", environment(settings), settings)
    command = without_secrets(environment(settings), settings)
    assert ("-u", "SOURCE_X_URL") in pairwise(command)
