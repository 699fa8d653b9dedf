"""`python -m heartbeat.logged MODULE ARGUMENTS`: run a module whose log lines are JSON."""

import runpy
import sys

from heartbeat.json_log import LogFormat, install


def main() -> None:
    """Become the module, as `python -m` does."""
    install(LogFormat.JSON)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
