"""A streaming standby of an embedded server."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.socket_folder import socket_folder
from tests.integration.api_servers import until


@contextmanager
def server_folder() -> Iterator[Path]:
    """A folder with a short path for one server."""
    folder = Path(tempfile.mkdtemp(prefix="heartbeat-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def standby_of(primary: EmbeddedPostgres, folder: Path) -> EmbeddedPostgres:
    """A copy of the running primary that will follow it; not yet started."""
    data = folder / "standby"
    package = primary._package_server()  # the tools of its own version
    data.mkdir(mode=0o700)
    if package.system_user:
        shutil.chown(data, package.system_user)
    subprocess.run(
        [
            *(str(package.bin_path / "pg_basebackup"), "-D", str(data), "-R", "-X", "stream"),
            *("-h", str(socket_folder(primary.folder)), "-U", "postgres", "--checkpoint=fast"),
        ],
        check=True,
        user=package.system_user,
        stderr=subprocess.DEVNULL,
    )
    (data / ".s.PGSQL.5432.lock").unlink(missing_ok=True)  # its socket is in its folder, too
    # a read is in the way of nothing that the primary does
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write("max_standby_streaming_delay = '100ms'\n")
    return EmbeddedPostgres(data)


def replays(standby: psycopg.Connection, going: bool) -> None:
    """Let the standby follow, or stand still."""
    standby.execute(b"select pg_wal_replay_resume()" if going else b"select pg_wal_replay_pause()")
    state = "not paused" if going else "paused"
    until(
        lambda: standby.execute("select pg_get_wal_replay_pause_state()").fetchone() == (state,),
        f"the standby {state}",
    )
