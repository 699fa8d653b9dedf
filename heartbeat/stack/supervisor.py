"""supervisord as the keeper of the processes: starts, restarts, and stops them in order."""

import configparser
import http.client
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from heartbeat.errors import HeartbeatError
from heartbeat.socket_folder import make_socket_folder, socket_folder
from heartbeat.stack.process_lock import LockFolder, held_by_this

SUPERVISORD = "supervisord"
"""The name of its lock."""

_STOP_SECONDS = 40
"""Longer than a guard takes to end its process."""
_ANSWER_SECONDS = 60.0
"""Longer than it takes to stop a program, which it answers when it has done."""
_LOG_BYTES, _OLDER_LOGS = "10MB", "2"
_GIVEN_UP = frozenset({"FATAL", "UNKNOWN"})


class AlreadyRunningError(HeartbeatError):
    """Another `heartbeat up` keeps this state folder running."""


class ProcessDiedError(HeartbeatError):
    """A process does not stay up; the message ends with the last lines of its log."""


@dataclass(frozen=True)
class Program:
    """One command to keep up."""

    name: str
    command: Sequence[str]
    stage: int
    """Programs of a later stage stop first."""


class Supervisor:
    """One supervisord with its own folder."""

    def __init__(self, folder: Path, programs: Sequence[Program]) -> None:
        self._folder = folder
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, environment: Mapping[str, str]) -> None:
        """Start supervisord with every program stopped; raises AlreadyRunningError."""
        self._refuse_second()
        (self._folder / "logs").mkdir(parents=True, exist_ok=True)
        configuration = self._folder / "supervisord.conf"
        with configuration.open("w", encoding="utf-8") as file:
            self._configuration().write(file)
        lock = LockFolder(self._folder).of(SUPERVISORD).process
        held = held_by_this(SUPERVISORD, stage=0)
        descriptor = lock.take(held)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "-c", configuration],
            env=dict(environment),
            stdin=descriptor,  # it holds the lock from here on, and gives it to nobody
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C and a closed terminal reach only who started it
        )
        lock.write(descriptor, replace(held, pid=self._process.pid))
        os.close(descriptor)
        while not self._answers():
            if self._process.poll() is not None:
                raise ProcessDiedError(
                    f"supervisord did not start: {self._log_tail('supervisord')}"
                )
            time.sleep(0.05)

    def start_program(self, name: str) -> None:
        """Start one program; it is restarted whenever it dies."""
        self._server().supervisor.startProcess(name, False)

    def stop_program(self, name: str) -> None:
        """Stop one program, wait for its end, and leave it stopped."""
        with suppress(xmlrpc.client.Fault):  # it does not run
            self._server().supervisor.stopProcess(name)

    def check(self) -> None:
        """Raise ProcessDiedError when a started program has been given up."""
        for info in self._server().supervisor.getAllProcessInfo():
            if info["statename"] in _GIVEN_UP:
                raise ProcessDiedError(
                    f"{info['name']} does not stay up: {self._log_tail(info['name'])}"
                )

    @property
    def running(self) -> bool:
        """Whether supervisord is alive."""
        return self._process is not None and self._process.poll() is None

    def revive(self) -> Sequence[str]:
        """Start what has been given up once more; returns the names."""
        given_up = [
            info["name"]
            for info in self._server().supervisor.getAllProcessInfo()
            if info["statename"] in _GIVEN_UP
        ]
        for name in given_up:
            with suppress(xmlrpc.client.Fault):  # the reason is in its log
                self.start_program(name)
        return given_up

    def wake(self) -> None:
        """Let it go on where somebody has stopped it: it could neither hear nor do anything."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def stop(self, seconds: float) -> bool:
        """Stop all programs, the latest stage first, and supervisord; whether that was done."""
        if self._process is None:
            return True
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.poll() is not None

    @property
    def _socket(self) -> Path:
        return socket_folder(self._folder) / "supervisor.sock"

    def _server(self) -> Any:
        transport = _SocketTransport(self._socket)
        return xmlrpc.client.ServerProxy("http://localhost", transport=transport)

    def _answers(self) -> bool:
        try:
            self._server().supervisor.getState()
        except OSError:
            return False
        return True

    def _refuse_second(self) -> None:
        if self._answers():
            pid = self._server().supervisor.getPID()
            raise AlreadyRunningError(
                f"Heartbeat already runs with state folder {self._folder} (process {pid}); "
                "stop it first, or set HEARTBEAT_HOME to another folder"
            )

    def _configuration(self) -> configparser.RawConfigParser:
        make_socket_folder(self._folder)
        parser = configparser.RawConfigParser()
        parser["supervisord"] = {
            "logfile": _escaped(self._folder / "logs" / "supervisord.log"),
            "pidfile": _escaped(self._folder / "supervisord.pid"),
            "logfile_maxbytes": _LOG_BYTES,
            "logfile_backups": _OLDER_LOGS,
            "nodaemon": "true",
            "silent": "true",
            "loglevel": "info",
        }
        parser["unix_http_server"] = {"file": _escaped(self._socket), "chmod": "0700"}
        parser["rpcinterface:supervisor"] = {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        }
        for program in self._programs:
            parser[f"program:{program.name}"] = self._section(program)
        return parser

    def _section(self, program: Program) -> dict[str, str]:
        return {
            "command": _escaped(shlex.join(program.command)),
            "priority": str(program.stage),
            "autostart": "false",
            "autorestart": "true",
            "startsecs": "2",
            "startretries": "3",
            "stopsignal": "TERM",
            "stopwaitsecs": str(_STOP_SECONDS),
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": _escaped(self._folder / "logs" / f"{program.name}.log"),
            "stdout_logfile_maxbytes": _LOG_BYTES,
            "stdout_logfile_backups": _OLDER_LOGS,
        }

    def _log_tail(self, name: str) -> str:
        log = self._folder / "logs" / f"{name}.log"
        if not log.exists():
            return f"there is no log in {log.parent}"
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"{' | '.join(lines[-3:])} (all of it: {log})"


class _SocketTransport(xmlrpc.client.Transport):
    """XML-RPC on a unix socket, with a limit for an answer."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        """A connection of its own for each request."""
        return _SocketConnection(self._path)


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect; raises OSError."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _escaped(value: object) -> str:
    return str(value).replace("%", "%%")
