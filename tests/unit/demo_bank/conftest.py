from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from heartbeat.embedded_postgres import EmbeddedPostgres


def _server() -> Iterator[str]:
    with TemporaryDirectory(prefix="bank-") as folder:
        server = EmbeddedPostgres(Path(folder) / "pg")
        with server.running():
            with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
                connection.execute("alter system set fsync = off")
                connection.execute("select pg_reload_conf()")
            yield server.url("postgres")


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    """The database postgres of a server that holds nothing yet."""
    yield from _server()


@pytest.fixture(scope="module")
def other_server_url() -> Iterator[str]:
    """Another one, for cluster B."""
    yield from _server()
