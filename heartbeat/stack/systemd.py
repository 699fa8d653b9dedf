"""The processes as systemd units, for a machine without Docker: docs/operations/systemd.md."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from heartbeat.errors import SettingsError
from heartbeat.login import Login
from heartbeat.settings import DATABASE_URL, Settings
from heartbeat.stack.process import DAEMON

_TARGET = "heartbeat.target"
_PREPARE = "heartbeat-prepare.service"
_CREDENTIALS = "/etc/heartbeat/credentials"
_SETTINGS = "/etc/heartbeat/heartbeat.env"
_SOURCES = "/etc/heartbeat/sources.env"
_PRIVATE = ("/tmp", "/var/tmp")  # noqa: S108 - refused

_HARDENING = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=read-only
ProtectProc=invisible
ProcSubset=all
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service seccomp landlock_create_ruleset landlock_add_rule \\
  landlock_restrict_self
SystemCallFilter=~@privileged @obsolete
SystemCallErrorNumber=EPERM
UMask=0077"""


@dataclass(frozen=True)
class _Unit:
    """What is different from process to process."""

    memory: str
    credentials: tuple[str, ...]
    """Settings whose values are in files that only this process gets."""
    after: tuple[str, ...] = ()
    files: tuple[str, ...] = (_SETTINGS,)


_DAGSTER = "HEARTBEAT_DAGSTER_PASSWORD"
_UNITS: Mapping[str, _Unit] = {
    "code-location": _Unit("1G", (_DAGSTER,)),
    DAEMON: _Unit(
        "3G",
        (
            *(_DAGSTER, "HEARTBEAT_INGEST_PASSWORD", "HEARTBEAT_COMPUTE_PASSWORD"),
            "HEARTBEAT_READER_PASSWORD",
        ),
        ("code-location",),
        (_SETTINGS, f"-{_SOURCES}"),
    ),
    "webserver": _Unit("1G", (_DAGSTER, "HEARTBEAT_OPERATOR_TOKENS"), ("code-location",)),
    "api": _Unit(
        "1G",
        (
            *("HEARTBEAT_API_PASSWORD", "HEARTBEAT_OPERATOR_PASSWORD"),
            "HEARTBEAT_OPERATOR_TOKENS",
        ),
    ),
}
# migrate sets the passwords that the processes log in with
_OWNER = (DATABASE_URL, *(each.password_variable for each in Login))


def units(settings: Settings) -> Mapping[str, str]:
    """The text of every unit by its file name; SettingsError for folders that no unit would see."""
    for variable, folder in (
        ("HEARTBEAT_HOME", settings.home),
        ("HEARTBEAT_PROJECT", settings.project),
    ):
        if any(folder.is_relative_to(each) for each in _PRIVATE):
            raise SettingsError(
                f"{variable}: the units have a /tmp and a /var/tmp of their own (PrivateTmp), "
                f"where {folder} does not exist; set it to another folder"
            )
    return {
        _TARGET: _target(),
        _PREPARE: "\n\n".join(_prepare(settings)) + "\n",
        **{
            _name(process): "\n\n".join(_service(settings, process, unit)) + "\n"
            for process, unit in _UNITS.items()
        },
    }


def _target() -> str:
    services = " ".join(map(_name, _UNITS))
    return (
        "[Unit]\nDescription=Heartbeat\n"
        f"Wants={services}\nAfter=network-online.target\n\n[Install]\nWantedBy=multi-user.target\n"
    )


def _prepare(settings: Settings) -> Iterator[str]:
    yield (
        "[Unit]\nDescription=Heartbeat: databases and schema\n"
        f"Wants=network-online.target\nAfter=network-online.target postgresql.service\n"
        f"PartOf={_TARGET}"
    )
    yield "\n".join(
        (
            "[Service]",
            "Type=oneshot",
            "RemainAfterExit=yes",
            f"ExecStart={_heartbeat('migrate')}",
            "TimeoutStartSec=30min",
            "Restart=on-failure",
            "RestartSec=10",
            # the address there has no password, and is that of the other processes
            "UnsetEnvironment=HEARTBEAT_DATABASE_URL",
            *_common(settings, _OWNER, (_SETTINGS,), "1G"),
        )
    )


def _service(settings: Settings, process: str, unit: _Unit) -> Iterator[str]:
    after = " ".join((_PREPARE, *map(_name, unit.after)))
    yield (
        f"[Unit]\nDescription=Heartbeat: {process}\n"
        f"Requires={_PREPARE}\nAfter={after}\nPartOf={_TARGET}\n"
        # for ever: what it needs may come back after any time
        "StartLimitIntervalSec=0"
    )
    yield "\n".join(
        (
            "[Service]",
            # the guard tells when the process has answered, and that it itself still polls
            "Type=notify",
            "NotifyAccess=main",
            f"ExecStart={_heartbeat(f'serve {process}')}",
            "TimeoutStartSec=infinity",
            "WatchdogSec=10min",
            "Restart=always",
            "RestartSec=5",
            # longer than the guard takes; runs of the daemon get 20 s more
            "KillMode=mixed",
            "TimeoutStopSec=90",
            *_common(settings, unit.credentials, unit.files, unit.memory),
        )
    )
    yield f"[Install]\nWantedBy={_TARGET}"


def _common(
    settings: Settings, credentials: tuple[str, ...], files: tuple[str, ...], memory: str
) -> Iterator[str]:
    yield "User=heartbeat"
    yield "Group=heartbeat"
    yield f"WorkingDirectory={settings.home}"
    yield f"Environment=HEARTBEAT_HOME={settings.home} HEARTBEAT_PROJECT={settings.project}"
    yield from (f"EnvironmentFile={file}" for file in files)
    for name in credentials:
        yield f"LoadCredential={name}:{_CREDENTIALS}/{name}"
        yield f"Environment={name}_FILE=%d/{name}"
    yield f"ReadWritePaths={settings.home}"
    yield f"MemoryMax={memory}"
    yield "TasksMax=512"
    yield "LimitCORE=0"
    yield _HARDENING


def _heartbeat(arguments: str) -> str:
    return f"{sys.executable} -P -m heartbeat {arguments}"


def _name(process: str) -> str:
    return f"heartbeat-{process}.service"


def write_units(settings: Settings, folder: Path) -> list[Path]:
    """Write every unit into a folder; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in units(settings).items():
        (folder / name).write_text(text, encoding="utf-8")
        written.append(folder / name)
    return written
