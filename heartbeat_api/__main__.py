"""`python -m heartbeat_api`: serve the API and the wall."""

import gc
import sys

import uvicorn

from heartbeat.errors import SettingsError
from heartbeat.settings import Settings
from heartbeat_api.app import create_app
from heartbeat_api.whole_response import WholeResponseProtocol

_SWITCH_SECONDS = 0.0005


def main() -> None:
    """Serve until a signal; host and port come from the settings."""
    try:
        settings = Settings.load()
    except SettingsError as error:
        sys.exit(str(error))
    # a read of all metrics computes for tens of milliseconds; requests need not wait for its turns
    sys.setswitchinterval(_SWITCH_SECONDS)
    app = create_app(settings)
    # no request waits while the collector looks through what imports have made
    gc.freeze()
    uvicorn.run(
        app,
        host=settings.bind_host,
        port=settings.api_port,
        http=WholeResponseProtocol,
        server_header=False,
        access_log=False,
        proxy_headers=False,  # who may write depends on who really connects
    )


if __name__ == "__main__":
    main()
