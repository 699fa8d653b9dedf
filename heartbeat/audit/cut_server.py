"""The process from which confined processes are forked.

It has loaded what cuts import, and never held more of the environment than `confined_process` gave
it. Who wants a process sends it two descriptors over the socket that is its argument: one to talk
over, one for what the author's code prints. It kills a process whose other side has gone, ends when
nobody is left to ask, and by itself when nobody has asked for a while.
"""

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
from types import FrameType

from heartbeat.audit import cut_task
from heartbeat.audit.confinement import end_with_parent

IDLE_SECONDS = 60.0
_LOOK_SECONDS = 1.0


class CutServer:
    """The confined processes, by their side of the socket."""

    def __init__(self, asked: socket.socket) -> None:
        self._asked = asked
        self._wakeup, self._signalled = socket.socketpair()
        self._children: dict[int, tuple[int, socket.socket]] = {}

    def serve(self) -> None:
        """Fork what is asked for, until nobody asks."""
        for each in (self._wakeup, self._signalled):
            each.setblocking(False)
        signal.set_wakeup_fd(self._signalled.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _noticed)
        idle = 0.0
        asked_for = True
        while (asked_for or self._children) and (idle < IDLE_SECONDS or self._children):
            ready = self._ready(listening=asked_for)
            idle = 0.0 if ready else idle + _LOOK_SECONDS
            if asked_for and self._asked.fileno() in ready:
                asked_for = self._fork()
            if self._wakeup.fileno() in ready:
                self._wakeup.recv(4096)
            self._kill(ready)
            self._bury()

    def _ready(self, *, listening: bool) -> set[int]:
        poll = select.poll()
        if listening:
            poll.register(self._asked, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        for descriptor in self._children:
            poll.register(descriptor, 0)  # a hangup is told without asking
        return {descriptor for descriptor, _ in poll.poll(_LOOK_SECONDS * 1000)}

    def _fork(self) -> bool:
        """Whether somebody may ask again."""
        said, descriptors, _, _ = socket.recv_fds(self._asked, 1, 2)
        if not said:
            return False
        talk, printed = descriptors
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            _be_child(server, talk, printed)
        os.close(printed)
        self._children[talk] = pid, socket.socket(fileno=talk)
        return True

    def _kill(self, ready: set[int]) -> None:
        for descriptor in ready & self._children.keys():
            os.kill(self._children[descriptor][0], signal.SIGKILL)

    def _bury(self) -> None:
        for descriptor, (pid, talk) in list(self._children.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._children[descriptor]
                told = json.dumps({"ended": os.waitstatus_to_exitcode(status)})
                talk.setblocking(False)
                with contextlib.suppress(OSError):
                    talk.send(f"\n{told}\n".encode())
                talk.close()


def _noticed(number: int, frame: FrameType | None) -> None:
    """Let the signal reach the descriptor that the server waits for."""


def _be_child(server: int, talk: int, printed: int) -> None:
    """Work over that descriptor; never returns."""
    code = 1
    try:
        end_with_parent(server)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        talk, printed = os.dup(talk), os.dup(printed)  # neither is in the way of the other
        for each in (1, 2):
            os.dup2(printed, each)
        os.dup2(talk, 3)
        os.closerange(4, os.sysconf("SC_OPEN_MAX"))
        gc.enable()
        with os.fdopen(3, "rb", closefd=False) as requests, os.fdopen(3, "wb") as answers:
            cut_task.work(requests, answers)
        code = 0
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
        os._exit(code)


def _load() -> None:
    """Import what cuts import, and make one chart, so that no process does it again."""
    import altair as alt
    import pandas as pd

    import heartbeat.audit.audit_cut
    import heartbeat.judgement.wording  # noqa: F401 - the cuts import both
    from heartbeat.audit.chart_rendering import chart_spec

    chart_spec(alt.Chart(pd.DataFrame({"n": [1]})).mark_bar().encode(y="n:Q"))
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _load()
    CutServer(socket.socket(fileno=int(sys.argv[1]))).serve()
