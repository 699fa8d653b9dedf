"""Every session begins in one place, and is found by each address that libpq knows."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from heartbeat.connection_string import database_name, is_usable, of_database, without_password
from heartbeat.postgres_session import with_parameters

REPOSITORY = Path(__file__).parents[3]
OWN = {
    REPOSITORY / "heartbeat" / "postgres_session.py",
    REPOSITORY / "heartbeat" / "psycopg2_session.py",
    # with the parameters of the same module, and the settings too
    REPOSITORY / "heartbeat" / "landing" / "destination.py",
}
OPENERS = {"psycopg.connect", "psycopg.Connection.connect", "psycopg2.connect"}


def opened(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in OPENERS:
            yield f"{path.relative_to(REPOSITORY)}:{node.lineno}"


def test_no_session_is_opened_elsewhere() -> None:
    packages = ("heartbeat", "heartbeat_assets", "heartbeat_api")
    files = {path for package in packages for path in (REPOSITORY / package).rglob("*.py")}
    assert [place for path in sorted(files - OWN) for place in opened(path)] == []


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u:p@h/marts",
        "postgres://u:p@h/marts",
        "postgresql://u:p@h1:5432,h2:5432/marts?target_session_attrs=any",
        "postgresql://u:p%40%2F@[::1]:5432/marts",
        "postgresql:///marts",
        "postgresql:///marts?host=/run/postgresql",
        "postgresql://u@%2Frun%2Fpostgresql/marts",
        "host=h1,h2 port=5432,5433 user=u password='a b' dbname=marts",
        "service=bank dbname=marts",
    ],
)
def test_each_address_that_libpq_knows_is_usable(address: str) -> None:
    assert is_usable(address)
    assert database_name(address) == "marts"
    assert database_name(of_database(address, "marts_dagster")) == "marts_dagster"


@pytest.mark.parametrize(
    "address",
    ["", "bank", "mysql://u:p@h/d", "postgresql://u:p@h:0/d", "postgresql://u:p@x@h/d", "host"],
)
def test_what_libpq_would_take_otherwise_than_it_was_meant_is_not(address: str) -> None:
    assert not is_usable(address)


def test_an_address_keeps_what_it_says_but_for_the_encoding() -> None:
    said = "postgresql://h/d?connect_timeout=3&client_encoding=latin1"
    parameters = with_parameters(said)
    assert "connect_timeout=3" in parameters
    assert "client_encoding=UTF8" in parameters
    assert "connect_timeout=2" in with_parameters("postgresql://h/d", connect_timeout="2")


@pytest.mark.parametrize(
    ("password", "told"),
    [
        ("a", "connection to server at bank failed: no password hunter2x for hunter2"),
        ("hunter2", "connection to server at bank failed: no password hunter2x for ***"),
        ("", "connection to server at bank failed: no password hunter2x for hunter2"),
    ],
    ids=["one letter", "a word", "none"],
)
def test_a_password_is_taken_out_as_a_word_and_never_as_a_letter(password: str, told: str) -> None:
    message = "connection to server at bank failed:\n\tno password hunter2x for hunter2"
    assert without_password(message, f"host=h password='{password}'") == told
