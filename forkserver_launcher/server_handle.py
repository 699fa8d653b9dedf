"""A fork server as the launcher sees it."""

import queue
import subprocess
import threading
import time
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from dagster._core.instance import InstanceRef
from dagster._serdes import serialize_value

from forkserver_launcher.file_signatures import (
    Signatures,
    WatchedFolder,
    signatures,
    written_between,
)
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

_FORK_SECONDS = 30.0


class ForkServerError(Exception):
    """There is no fork server, or it forks no worker; the message says why."""


class ServerHandle:
    """A fork server that has loaded one repository."""

    def __init__(
        self,
        load: Load,
        executable: str,
        watched: tuple[WatchedFolder, ...],
        *,
        load_seconds: float,
        when_ended: Callable[[Ended], None],
    ) -> None:
        """Start it and wait until it is loaded; raises ForkServerError."""
        self._watched = watched
        self._when_ended = when_ended
        self._asking = threading.Lock()
        self._answers: queue.SimpleQueue[Forked | NotForked | None] = queue.SimpleQueue()
        self._began_ns = time.time_ns()
        self._content = self._content_now()
        self._process, self._channel = _started(executable)
        files = self._load(load, load_seconds)
        self._modules = signatures(files)
        self._loaded_ns = time.time_ns()
        threading.Thread(target=self._listen, name="fork-server", daemon=True).start()

    def is_current(self) -> bool:
        """Whether it lives, and no file that it was loaded from has changed since."""
        return (
            self._process.poll() is None
            and not written_between(self._modules, self._began_ns, self._loaded_ns)
            and signatures(self._modules) == self._modules
            and self._content_now() == self._content
        )

    def present_files(self) -> tuple[Signatures, Signatures]:
        """What its files are now, to tell whether they have changed once more."""
        return signatures(self._modules), self._content_now()

    def fork(self, run_id: str, instance: InstanceRef, kill_after_seconds: float) -> None:
        """Fork a worker; returns when it holds its lock. Raises ForkServerError."""
        request = Fork(run_id, serialize_value(instance), kill_after_seconds)
        with self._asking:
            try:
                self._channel.send(request)
                answer = self._answer_for(run_id)
            except (OSError, queue.Empty) as error:
                self._process.kill()  # it must not fork later what is launched otherwise now
                raise ForkServerError(f"the fork server does not answer: {error!r}") from error
        if isinstance(answer, NotForked):
            raise ForkServerError(answer.reason)

    def _answer_for(self, run_id: str) -> Forked | NotForked:
        while (answer := self._answers.get(timeout=_FORK_SECONDS)) is not None:
            if answer.run_id == run_id:  # else one that came too late for who asked
                return answer
        raise ForkServerError("the fork server has ended")

    def retire(self) -> None:
        """Let it end with its last worker."""
        try:
            self._channel.send(Retire())
        except OSError:
            return  # it has ended already

    def _content_now(self) -> Signatures:
        return signatures(file for folder in self._watched for file in folder.files())

    def _load(self, load: Load, seconds: float) -> tuple[str, ...]:
        try:
            self._channel.send(load)
            answer = self._channel.recv() if self._channel.poll(seconds) else None
        except (EOFError, OSError) as error:
            self._end()
            raise ForkServerError("the fork server ended while it loaded the code") from error
        if isinstance(answer, Loaded):
            return answer.files
        self._end()
        if isinstance(answer, NotLoaded):
            raise ForkServerError(f"the code cannot be loaded: {answer.reason}")
        raise ForkServerError(f"the code is not loaded after {seconds:.0f} s")

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._channel.close()

    def _listen(self) -> None:
        """Pass on what the server says, until it ends."""
        while True:
            try:
                message = self._channel.recv()
            except (EOFError, OSError):
                break
            if isinstance(message, Ended):
                self._when_ended(message)
            elif isinstance(message, Forked | NotForked):
                self._answers.put(message)
        self._process.wait()
        self._answers.put(None)


def _started(
    executable: str,
) -> tuple[subprocess.Popen[bytes], "Connection[object, object]"]:
    ours, theirs = Pipe()
    with theirs:
        process = subprocess.Popen(
            [
                executable,
                *("-m", "forkserver_launcher.server", str(theirs.fileno())),
            ],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # a signal to the launcher's group is not for the workers
        )
    return process, ours
