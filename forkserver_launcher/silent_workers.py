"""Workers that live and give no sign of it: stopped, or stuck where no thread of theirs runs."""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass

from forkserver_launcher.worker_lock import WorkerLocks


@dataclass
class _Seen:
    beat: str
    looks: int


class SilentWorkers:
    """Counts how often it has looked without seeing a sign of life.

    It counts looks and not seconds: while the whole machine is paused nobody looks.
    """

    def __init__(self, locks: WorkerLocks, most_looks: int) -> None:
        self._locks = locks
        self._most_looks = most_looks
        self._seen: dict[str, _Seen] = {}
        self._killed: dict[str, int] = {}

    def look(self) -> dict[str, int]:
        """Kill the workers that have been silent for too long; their runs and process ids."""
        beats = self._locks.beats()
        self._seen = {run_id: seen for run_id, seen in self._seen.items() if run_id in beats}
        silent = {}
        for run_id, (pid, beat) in beats.items():
            seen = self._seen.get(run_id)
            if seen is None or seen.beat != beat:
                self._seen[run_id] = _Seen(beat, 0)
                continue
            seen.looks += 1
            if seen.looks >= self._most_looks:
                silent[run_id] = self._killed[run_id] = pid
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        return silent

    def was_killed(self, run_id: str) -> bool:
        """Whether the worker of the run was killed for its silence."""
        return run_id in self._killed
