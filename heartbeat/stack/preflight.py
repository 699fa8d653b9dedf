"""What must hold before anything starts; each failure is one line that says how to mend it."""

import shutil
import socket
import tempfile
from collections.abc import Sequence

from heartbeat.errors import SettingsError
from heartbeat.settings import Settings
from heartbeat.stack.port_user import port_user
from heartbeat.stack.process import Process

_LEAST_FREE_BYTES = 500 * 1024 * 1024


def check_ports(settings: Settings, processes: Sequence[Process]) -> None:
    """Raise SettingsError for a port that cannot be used."""
    for process in processes:
        _check_port(settings, process)


def check_home(settings: Settings) -> None:
    """Raise SettingsError for a state folder or a disk that cannot be used."""
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.home):
            pass
    except OSError as error:
        raise SettingsError(
            f"the state folder {settings.home} cannot be written ({error.strerror}); "
            "make it writable or set HEARTBEAT_HOME to another folder"
        ) from error
    free = shutil.disk_usage(settings.home).free
    if free < _LEAST_FREE_BYTES:
        raise SettingsError(
            f"only {free // 2**20} MB are free for {settings.home}, {_LEAST_FREE_BYTES // 2**20} "
            "MB are needed; free some or set HEARTBEAT_HOME to a folder on another disk"
        )


def _check_port(settings: Settings, process: Process) -> None:
    if process.port is None:
        return
    host = settings.code_bind_host if process.port == settings.code_port else settings.bind_host
    try:
        (family, *_, address), *_ = socket.getaddrinfo(
            host or None, process.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise SettingsError(
            f"HEARTBEAT_BIND_HOST: {host!r} is no address of this machine ({error.strerror})"
        ) from error
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            user = port_user(process.port)
            raise SettingsError(
                f"port {process.port} for {process.name} cannot be used ({error.strerror}"
                f"{f': {user}' if user else ''}); "
                f"stop what uses it or set {process.port_setting} to another port"
            ) from error
