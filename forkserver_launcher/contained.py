"""`python -m forkserver_launcher.contained FOLDER COMMAND...`: a daemon that ends its workers.

Workers outlive the daemon that launched them. In a container they cannot: it ends with its first
process, and the kernel then kills what is left, in the middle of what it does. This one starts the
daemon, passes signals on to it, and once it has ended as it was asked to, interrupts the workers
whose locks are in FOLDER and waits for them. Its exit code is that of the daemon.
"""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from forkserver_launcher.worker_lock import WorkerLocks, stop_workers

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(locks: WorkerLocks, command: Sequence[str]) -> int:
    """Run the daemon until it ends, and end its workers when that was asked for."""
    asked = False
    daemon: subprocess.Popen[bytes] | None = None

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        if daemon is not None:
            daemon.send_signal(number)

    for number in _STOP_SIGNALS:
        signal.signal(number, stop)
    daemon = subprocess.Popen(command)
    if asked:  # while it was being started
        daemon.terminate()
    code = daemon.wait()
    if asked:
        stop_workers(locks)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(run(WorkerLocks(Path(sys.argv[1])), sys.argv[2:]))
