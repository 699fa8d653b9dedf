"""`python -m heartbeat_api`: serve the API and the wall."""

import gc
import sys

from heartbeat.errors import SettingsError
from heartbeat.settings import Settings
from heartbeat_api.app import create_app
from heartbeat_web.server import serve

_SWITCH_SECONDS = 0.0005


def main() -> None:
    """Serve until a signal; host and port come from the settings."""
    try:
        settings = Settings.load()
    except SettingsError as error:
        sys.exit(str(error))
    if told := who_can_write(settings):
        sys.stderr.write(f"{told}\n")
    # a read of all metrics computes for tens of milliseconds; requests need not wait for its turns
    sys.setswitchinterval(_SWITCH_SECONDS)
    app = create_app(settings)
    # no request waits while the collector looks through what imports have made
    gc.freeze()
    serve(app, settings.bind_host, settings.api_port)


def who_can_write(settings: Settings) -> str | None:
    """What the log says at the start where no operator has a token; None where one has."""
    if settings.operator_tokens:
        return None
    if settings.trusted_proxies:
        return "No operator has a token: only who comes through a trusted proxy can write."
    return (
        "No operator is set up: nobody can write, but this machine itself where that is allowed; "
        "set HEARTBEAT_OPERATOR_TOKENS or HEARTBEAT_TRUSTED_PROXIES."
    )


if __name__ == "__main__":
    main()
