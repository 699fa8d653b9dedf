"""The systemd units: every process has one, and systemd itself takes them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from heartbeat.errors import SettingsError
from heartbeat.login import Login
from heartbeat.settings import Settings
from heartbeat.stack.guard import STOP_SECONDS
from heartbeat.stack.process import processes
from heartbeat.stack.systemd import units, write_units

_GIGABYTE = 8
_WORST_EXPOSURE = 25
"""In tenths, as `systemd-analyze security` counts: 100 is the worst."""
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine"
)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    monkeypatch.setenv("HEARTBEAT_HOME", "/var/lib/heartbeat")
    monkeypatch.setenv("HEARTBEAT_PROJECT", "/srv/heartbeat/project")
    return Settings.load()


def test_every_process_has_a_unit_and_the_target_wants_them_all(settings: Settings) -> None:
    written = units(settings)
    services = {f"heartbeat-{process.name}.service" for process in processes(settings)}
    assert written.keys() == {*services, "heartbeat.target", "heartbeat-prepare.service"}
    (wanted,) = re.findall(r"^Wants=(.*)$", written["heartbeat.target"], re.MULTILINE)
    assert set(wanted.split()) == services


def test_what_they_may_use_fits_a_machine_of_eight_gigabytes(settings: Settings) -> None:
    services = [text for name, text in units(settings).items() if "heartbeat serve " in text]
    assert len(services) == len(processes(settings))
    found = [re.findall(r"^MemoryMax=(\d+)G$", text, re.MULTILINE) for text in services]
    assert sum(int(each) for (each,) in found) < _GIGABYTE


def test_a_process_gets_the_secrets_of_its_own_and_no_unit_holds_one(settings: Settings) -> None:
    written = units(settings)
    loaded = {
        name: set(re.findall(r"^LoadCredential=(\w+):", text, re.MULTILINE))
        for name, text in written.items()
    }
    passwords = {login.password_variable for login in Login}
    assert loaded["heartbeat-prepare.service"] == {"HEARTBEAT_DATABASE_URL", *passwords}
    assert set().union(*loaded.values()) >= passwords
    assert loaded["heartbeat-code-location.service"] == {"HEARTBEAT_DAGSTER_PASSWORD"}
    assert "HEARTBEAT_INGEST_PASSWORD" not in loaded["heartbeat-api.service"]
    for name, text in written.items():
        files = set(re.findall(r"^Environment=(\w+)_FILE=%d/\1$", text, re.MULTILINE))
        assert files == loaded[name]


def test_the_daemon_alone_gets_the_addresses_of_the_sources(settings: Settings) -> None:
    given = {name for name, text in units(settings).items() if "/sources.env" in text}
    assert given == {"heartbeat-daemon.service"}


@pytest.mark.parametrize("variable", ["HEARTBEAT_HOME", "HEARTBEAT_PROJECT"])
@pytest.mark.usefixtures("settings")
def test_a_folder_that_no_unit_would_see_is_refused(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "/tmp/heartbeat")
    with pytest.raises(SettingsError, match=f"{variable}: .*PrivateTmp"):
        units(Settings.load())


def test_a_stop_takes_longer_than_a_guard_needs(settings: Settings) -> None:
    for text in units(settings).values():
        for seconds in re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE):
            assert int(seconds) > STOP_SECONDS + 20


@needs_systemd
def test_systemd_takes_every_unit(settings: Settings, tmp_path: Path) -> None:
    files = write_units(settings, tmp_path / "units")
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in verified.stderr.splitlines() if "heartbeat" in line]
    assert said == []


@needs_systemd
def test_systemd_finds_them_hardened(settings: Settings, tmp_path: Path) -> None:
    files = write_units(settings, tmp_path / "units")
    for file in files:
        if file.suffix != ".service":
            continue
        checked = subprocess.run(
            [
                *("systemd-analyze", "security", "--offline=true", "--no-pager"),
                f"--threshold={_WORST_EXPOSURE}",
                str(file),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stdout.splitlines()[-1:]
