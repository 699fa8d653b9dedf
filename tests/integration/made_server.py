"""Make an embedded server's folder: `python -m tests.integration.made_server FOLDER`."""

import sys
from pathlib import Path

from heartbeat.embedded_postgres import EmbeddedPostgres

folder = Path(sys.argv[1])
folder.parent.mkdir()
EmbeddedPostgres(folder).prepare()
