"""The containers run what `heartbeat up` runs; Docker itself is not needed to hold that."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from heartbeat.settings import Settings
from heartbeat.stack.process import Process, processes
from heartbeat.stack.up import Stack

REPOSITORY = Path(__file__).parents[2]
OWN_COMMAND = [sys.executable, "-m", "heartbeat", "serve"]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The defaults, whatever the environment of the tests says."""
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    return Settings.load()


@pytest.fixture
def services() -> dict[str, Any]:
    text = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)["services"]
    return found


@pytest.fixture
def dockerfile() -> str:
    return (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")


def own(settings: Settings) -> dict[str, Process]:
    return {process.name: process for process in processes(settings)}


def test_every_process_of_the_stack_is_a_service_and_no_other(
    settings: Settings, services: dict[str, Any]
) -> None:
    assert services.keys() - {"marts", "prepare"} == own(settings).keys()


def test_a_service_starts_with_the_command_that_up_gives_to_its_supervisor(
    settings: Settings, services: dict[str, Any]
) -> None:
    supervised = {
        program.name: list(program.command)
        for program in Stack(settings, Console(quiet=True)).programs()
    }
    for name in own(settings):
        assert supervised[name] == [*OWN_COMMAND, name]
        assert services[name]["command"] == ["heartbeat", "serve", name]
    assert services["prepare"]["command"] == ["heartbeat", "migrate"]


def test_a_process_is_a_module_since_scripts_are_not_beside_every_interpreter(
    settings: Settings,
) -> None:
    for process in own(settings).values():
        interpreter, *options, module = process.command[:4]
        assert (interpreter, options) == (sys.executable, ["-P", "-m"])
        assert find_spec(f"{module}.__main__")


def test_ports_are_the_defaults_of_the_settings_on_loopback_only(
    settings: Settings, services: dict[str, Any]
) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {
        "webserver": [f"127.0.0.1:{settings.dagster_port}:{settings.dagster_port}"],
        "api": [f"127.0.0.1:{settings.api_port}:{settings.api_port}"],
    }


def test_every_variable_of_the_containers_is_a_setting(
    services: dict[str, Any], dockerfile: str
) -> None:
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    used = {
        name
        for service in services.values()
        for name in service.get("environment", {})
        if not name.startswith("POSTGRES_")
    }
    used |= set(re.findall(r"HEARTBEAT_\w+", dockerfile))
    assert used <= known
    assert used >= {"HEARTBEAT_DATABASE_URL", "HEARTBEAT_CODE_HOST", "HEARTBEAT_BIND_HOST"}


def test_the_code_location_is_found_by_its_service_name(services: dict[str, Any]) -> None:
    for name in ("daemon", "webserver"):
        assert services[name]["environment"]["HEARTBEAT_CODE_HOST"] == "code-location"


def test_no_secret_is_in_the_file(services: dict[str, Any]) -> None:
    password = "${MARTS_PASSWORD:?set MARTS_PASSWORD in .env}"
    assert services["marts"]["environment"]["POSTGRES_PASSWORD"] == password
    for name in ("prepare", *own(Settings.load())):
        url = services[name]["environment"]["HEARTBEAT_DATABASE_URL"]
        assert url.startswith(f"postgresql://heartbeat:{password}@marts:")


def test_the_image_has_a_python_that_the_package_allows(dockerfile: str) -> None:
    found = re.search(r"^FROM python:3\.(\d+)-slim$", dockerfile, re.MULTILINE)
    allowed = re.search(
        r'^requires-python = ">=3\.(\d+)"$', (REPOSITORY / "pyproject.toml").read_text(), re.M
    )
    assert found is not None
    assert allowed is not None
    assert int(found[1]) >= int(allowed[1])


def test_the_image_installs_from_the_hashed_lock_and_runs_as_a_user_of_its_own(
    dockerfile: str,
) -> None:
    assert "--no-deps --require-hashes --requirement requirements.lock" in dockerfile
    assert re.search(r"^USER (?!root)\w+$", dockerfile, re.MULTILINE)
    for copied in re.findall(r"^COPY (.+) \S+$", dockerfile, re.MULTILINE):
        for name in copied.split():
            assert (REPOSITORY / name).exists(), name
