"""`python -m heartbeat.logged MODULE ARGUMENTS`: a module with its log in HEARTBEAT_LOG_FORMAT."""

import os
import runpy
import sys

from heartbeat.json_log import LogFormat, install


def main() -> None:
    """Become the module, as `python -m` does."""
    asked = os.environ.get("HEARTBEAT_LOG_FORMAT", "").strip().lower()
    install(LogFormat.JSON if asked == LogFormat.JSON else LogFormat.TEXT)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
