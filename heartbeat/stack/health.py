"""`python -P -m heartbeat.stack.health QUESTION`: the health check of a container.

The same as `heartbeat probe`, without the imports of the command line, which cost a busy machine
more than the question: it is asked twice a minute, of every service.
"""

import os
import sys
from collections.abc import Mapping, Sequence

from heartbeat.stack.probe import Probe, Verdict


def main(arguments: Sequence[str]) -> int:
    """Ask once: 0 for who works, else 1 and the reason."""
    (question,) = arguments
    answer = Probe(question, _environment(question)).ask_once()
    sys.stdout.write(f"{answer}\n")
    return 0 if answer.verdict is Verdict.WORKS else 1


def _environment(question: str) -> Mapping[str, str]:
    if question != "daemon:":
        return os.environ
    # its answer is in Dagster's database
    from heartbeat.settings import Settings
    from heartbeat.stack.process import environment

    return environment(Settings.load())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
