"""The process that has loaded a repository and forks a worker for each run.

It has one thread, talks over the pipe whose descriptor is its argument, and ends with the process
that started it; its workers go on.
"""

import gc
import importlib
import os
import signal
import socket
import sys
import traceback
from multiprocessing.connection import Connection, wait
from types import FrameType

from dagster._core.definitions.reconstruct import reconstruct_repository_def_from_pointer
from dagster._core.instance import InstanceRef
from dagster._core.origin import RepositoryPythonOrigin
from dagster._serdes import deserialize_value

from forkserver_launcher.protocol import (
    Ended,
    Fork,
    Forked,
    Load,
    Loaded,
    NotForked,
    NotLoaded,
    Retire,
)
from forkserver_launcher.worker import execute
from forkserver_launcher.worker_lock import WorkerLocks, write_holder


class ForkServer:
    """One loaded repository, and the workers that were forked from it."""

    def __init__(self, channel: "Connection[object, object]") -> None:
        self._channel = channel
        self._wakeup, self._signalled = socket.socketpair()
        self._runs: dict[int, str] = {}
        self._retired = False

    def serve(self) -> None:
        """Load a repository, then fork what is asked for, until nobody is there to ask."""
        load = self._channel.recv()
        assert isinstance(load, Load)
        self._locks = WorkerLocks(load.locks)
        self._lock = self._locks.take_server()
        try:
            os.nice(load.nice)
            for module in load.modules:
                importlib.import_module(module)
            files = _load(deserialize_value(load.repository, RepositoryPythonOrigin))
        except Exception:
            self._channel.send(NotLoaded(traceback.format_exc()))
            raise
        self._hear_of_ended_workers()
        self._channel.send(Loaded(files))
        while not (self._retired and not self._runs):
            ready = wait([self._channel, self._wakeup])
            if self._wakeup in ready:
                self._wakeup.recv(4096)
                self._bury()
            if self._channel in ready:
                self._answer(self._channel.recv())

    def _hear_of_ended_workers(self) -> None:
        self._signalled.setblocking(False)
        signal.set_wakeup_fd(self._signalled.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _noticed)

    def _answer(self, request: object) -> None:
        if isinstance(request, Fork):
            self._channel.send(self._fork(request))
        elif isinstance(request, Retire):
            self._retired = True

    def _fork(self, request: Fork) -> Forked | NotForked:
        try:
            lock = self._locks.take(request.run_id)
        except OSError as error:
            return NotForked(request.run_id, f"its lock cannot be taken: {error}")
        try:
            pid = os.fork()
        except OSError as error:
            os.close(lock)
            self._locks.forget(request.run_id)
            return NotForked(request.run_id, f"no process can be forked: {error}")
        if pid == 0:
            self._work(request)
        write_holder(lock, pid)
        os.close(lock)
        self._runs[pid] = request.run_id
        return Forked(request.run_id, pid)

    def _work(self, request: Fork) -> None:
        """Be the worker, which has inherited the lock; never returns."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for inherited in (self._channel, self._wakeup, self._signalled):
                inherited.close()
            os.close(self._lock)
            gc.enable()
            instance = deserialize_value(request.instance, InstanceRef)
            execute(request.run_id, instance, self._locks, request.kill_after_seconds)
            code = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            self._locks.forget(request.run_id)
            os._exit(code)

    def _bury(self) -> None:
        while self._runs:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            run_id = self._runs.pop(pid, None)
            if run_id is not None:
                self._locks.forget(run_id)
                self._channel.send(Ended(run_id, pid, os.waitstatus_to_exitcode(status)))


def _noticed(number: int, frame: FrameType | None) -> None:
    """Let the signal reach the descriptor that the server waits for."""


def _load(origin: RepositoryPythonOrigin) -> tuple[str, ...]:
    """Load a repository and all its jobs; returns the files of every module that this needed."""
    reconstruct_repository_def_from_pointer(origin.code_pointer).get_all_jobs()
    # what is loaded stays: a collection in a worker would only copy the pages that it shares
    gc.collect()
    gc.freeze()
    modules = list(sys.modules.values())
    return tuple(
        file for module in modules if isinstance(file := getattr(module, "__file__", None), str)
    )


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        ForkServer(Connection(int(sys.argv[1]))).serve()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        sys.exit(0)
