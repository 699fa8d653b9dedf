"""The containers run what `heartbeat up` runs, and no more; Docker itself is not needed for that.

`make containers` runs them for real.
"""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from heartbeat.settings import Settings
from heartbeat.source import load_sources
from heartbeat.stack.process import Process, processes
from heartbeat.stack.up import Stack

REPOSITORY = Path(__file__).parents[2]
OWN_COMMAND = [sys.executable, "-m", "heartbeat", "serve"]
ONCE = ("prepare", "first-runs")
BESIDE = ("ingest", "proxy")
DIGEST = r"@sha256:[0-9a-f]{64}"
SECRETS = "/run/secrets/"
MEGABYTES = {"m": 1, "g": 1024}
SERVICES: dict[str, Any] = yaml.safe_load(
    (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
)["services"]
OURS = [name for name, service in SERVICES.items() if "heartbeat:" in service["image"]]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The defaults, whatever the environment of the tests says."""
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    return Settings.load()


@pytest.fixture
def document() -> dict[str, Any]:
    text = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@pytest.fixture
def dockerfile() -> str:
    return (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")


def own(settings: Settings) -> dict[str, Process]:
    return {process.name: process for process in processes(settings)}


def environment(name: str) -> dict[str, str | None]:
    variables: dict[str, str | None] = SERVICES[name].get("environment", {})
    return variables


def megabytes(limit: str) -> int:
    return int(limit[:-1]) * MEGABYTES[limit[-1]]


def test_every_process_of_the_stack_is_a_service_and_no_other(settings: Settings) -> None:
    assert SERVICES.keys() - {"marts", *ONCE, *BESIDE} == own(settings).keys()


def test_a_service_starts_with_the_command_that_up_gives_to_its_supervisor(
    settings: Settings,
) -> None:
    supervised = {
        program.name: list(program.command)
        for program in Stack(settings, Console(quiet=True)).programs()
    }
    for name in own(settings):
        assert supervised[name] == [*OWN_COMMAND, name]
        # a container is gone with its first process, so its daemon ends the runs
        ends_runs = ["--end-runs"] if name == "daemon" else []
        assert SERVICES[name]["command"] == ["heartbeat", "serve", name, *ends_runs]
    assert SERVICES["prepare"]["command"] == ["heartbeat", "migrate"]
    assert SERVICES["first-runs"]["command"] == ["heartbeat", "first-runs"]
    assert SERVICES["ingest"]["entrypoint"] == ["heartbeat", "ingest"]


def test_a_process_is_a_module_since_scripts_are_not_beside_every_interpreter(
    settings: Settings,
) -> None:
    for process in own(settings).values():
        interpreter, *options, module = process.command[:4]
        assert (interpreter, options) == (sys.executable, ["-P", "-m"])
        assert find_spec(f"{module}.__main__")


def test_ports_are_the_defaults_of_the_settings_on_loopback_only(settings: Settings) -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    dagster, api = settings.dagster_port, settings.api_port
    assert published.keys() == {"webserver", "api", "proxy"}
    assert published["webserver"] == [f"127.0.0.1:${{HEARTBEAT_DAGSTER_PORT:-{dagster}}}:{dagster}"]
    assert published["api"] == [f"127.0.0.1:${{HEARTBEAT_API_PORT:-{api}}}:{api}"]


def test_the_code_location_and_marts_have_no_way_to_the_host_or_out(
    document: dict[str, Any],
) -> None:
    networks = document["networks"].items()
    internal = {name for name, each in networks if each and each.get("internal")}
    assert internal == {"dagster", "cockpit"}
    for name in ("marts", "code-location", "prepare", "first-runs"):
        assert set(SERVICES[name]["networks"]) <= {"dagster", "cockpit"}
    # whoever reaches the gRPC port can run code
    assert SERVICES["code-location"]["networks"] == ["dagster"]
    assert "dagster" not in SERVICES["api"]["networks"]
    assert list(SERVICES["proxy"]["networks"]) == ["edge"]


def test_only_the_address_of_the_proxy_is_trusted(document: dict[str, Any]) -> None:
    """The gateway of its network is every process of the machine."""
    address = SERVICES["proxy"]["networks"]["edge"]["ipv4_address"]
    assert environment("api")["HEARTBEAT_TRUSTED_PROXIES"] == address
    caddyfile = (REPOSITORY / "deploy" / "Caddyfile").read_text(encoding="utf-8")
    header = environment("api")["HEARTBEAT_IDENTITY_HEADER"]
    assert f"header_up {header} {{http.auth.user.id}}" in caddyfile
    assert "request_header -X-Forwarded-*" in caddyfile


def test_every_variable_of_the_containers_is_a_setting(dockerfile: str) -> None:
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    sources = load_sources(REPOSITORY / "sources").sources
    known |= {source.file.connection_env for source in sources}
    used = {name.removesuffix("_FILE") for service in OURS for name in environment(service)}
    used |= set(re.findall(r"HEARTBEAT_\w+(?==/)", dockerfile))
    assert used <= known
    assert used >= {"HEARTBEAT_DATABASE_URL", "HEARTBEAT_CODE_HOST", "HEARTBEAT_PROJECT"}


def test_the_code_location_is_found_by_its_service_name() -> None:
    for name in ("daemon", "webserver"):
        assert environment(name)["HEARTBEAT_CODE_HOST"] == "code-location"


@pytest.mark.parametrize("name", SERVICES)
def test_a_secret_is_a_file_that_the_service_itself_mounts(name: str) -> None:
    files = {
        value.removeprefix(SECRETS)
        for variable, value in environment(name).items()
        if variable.endswith("_FILE") and value is not None
    }
    mounted = set(SERVICES[name].get("secrets", ()))
    assert files == mounted - {"proxy_users"}
    for variable, value in environment(name).items():
        if re.search("PASSWORD|TOKEN|SOURCE_", variable):
            assert value is not None
            assert value.startswith(SECRETS)
    assert "@" not in (environment(name).get("HEARTBEAT_DATABASE_URL") or "")


def test_a_service_has_the_secrets_of_its_job_only() -> None:
    def has(name: str) -> set[str]:
        return {each for each in SERVICES[name]["secrets"] if not each.startswith("source_")}

    assert has("marts") == {"marts_password"}
    assert has("code-location") == {"dagster_password"}
    assert has("daemon") == {
        *("dagster_password", "ingest_password", "compute_password", "reader_password"),
    }
    assert has("webserver") == {"dagster_password", "dagster_token", "operator_tokens"}
    assert has("api") == {"api_password", "operator_password", "operator_tokens", "dagster_token"}
    assert has("first-runs") == {"api_password", "dagster_token"}
    assert has("ingest") == {"ingest_password"}
    assert [name for name in SERVICES if "database_url" in SERVICES[name].get("secrets", ())] == [
        "prepare"
    ]


def test_every_source_has_its_file_where_landings_run(document: dict[str, Any]) -> None:
    sources = load_sources(REPOSITORY / "sources").sources
    expected = {source.file.connection_env for source in sources}
    for name in SERVICES:
        given = {each for each in environment(name) if each.startswith("SOURCE_")}
        lands = name in ("daemon", "ingest")
        assert given == ({f"{each}_FILE" for each in expected} if lands else set())
    assert {each.lower() for each in expected} <= document["secrets"].keys()


def test_no_service_sees_the_folder_of_the_secrets_or_more_than_it_reads() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            source, target, *mode = re.sub(r"\$\{\w+:-(.+?)\}", r"\1", volume).split(":")
            if source.startswith("."):
                assert mode == ["ro"], f"{name}: {volume}"
                assert Path(source).name in (
                    *("sources", "metrics", "segments", "audit_cuts", "docs", "Caddyfile"),
                ), f"{name}: {target}"


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_do_what_it_must_and_no_more(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service["pids_limit"] <= 512
    assert "privileged" not in service
    assert "docker.sock" not in str(service)
    if name in OURS:
        assert "cap_add" not in service
        assert "user" not in service  # the image's own


@pytest.mark.parametrize("name", [each for each in SERVICES if each not in (*ONCE, "ingest")])
def test_what_stays_up_is_asked_whether_it_works(name: str, settings: Settings) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    test = service["healthcheck"]["test"]
    if name in own(settings):
        assert test[:-1] == ["CMD", "python", "-P", "-m", "heartbeat.stack.health"]
    assert test[0] == "CMD"


def test_the_limits_of_all_of_them_fit_into_8_gb() -> None:
    limits = {name: megabytes(service["mem_limit"]) for name, service in SERVICES.items()}
    # what runs once ends before the rest has anything to do
    assert sum(limits[name] for name in limits if name not in ONCE) <= 7.5 * 1024
    assert sum(limits.values()) <= 8 * 1024


def test_a_daemon_that_is_stopped_has_the_time_to_end_its_workers() -> None:
    assert SERVICES["daemon"]["stop_grace_period"] == "2m"
    assert SERVICES["marts"]["stop_signal"] == "SIGINT"


def test_nothing_in_the_file_needs_a_recent_compose(document: dict[str, Any]) -> None:
    assert "version" not in document
    assert "env_file" not in str(SERVICES)


def test_every_value_of_the_file_is_in_the_example_of_env(document: dict[str, Any]) -> None:
    text = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"\$\{(\w+)", text))
    used |= {
        name for service in OURS for name, value in environment(service).items() if value is None
    }
    example = (REPOSITORY / ".env.example").read_text(encoding="utf-8")
    shown = set(re.findall(r"^#? ?([A-Z_]+)=", example, re.MULTILINE))
    assert used == shown


def test_images_are_named_by_their_digest_and_can_be_replaced(dockerfile: str) -> None:
    python = re.search(rf"^ARG PYTHON_IMAGE=(python:3\.\d+-slim{DIGEST})$", dockerfile, re.M)
    assert python is not None
    assert f"${{PYTHON_IMAGE:-{python[1]}}}" in SERVICES["prepare"]["build"]["args"].values()
    for name, image in (("marts", "POSTGRES_IMAGE"), ("proxy", "CADDY_IMAGE")):
        assert re.fullmatch(rf"\$\{{{image}:-[\w.:-]+{DIGEST}\}}", SERVICES[name]["image"])
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.M)
    assert set(bases) == {"${PYTHON_IMAGE}", "packages"}
    assert bases[-1] == "${PYTHON_IMAGE}"


def test_the_image_has_a_python_that_the_package_allows(dockerfile: str) -> None:
    found = re.search(r"^ARG PYTHON_IMAGE=python:3\.(\d+)-slim@", dockerfile, re.MULTILINE)
    allowed = re.search(
        r'^requires-python = ">=3\.(\d+)"$', (REPOSITORY / "pyproject.toml").read_text(), re.M
    )
    assert found is not None
    assert allowed is not None
    assert int(found[1]) >= int(allowed[1])


def test_the_image_installs_wheels_from_the_hashed_lock_and_runs_as_a_user_of_its_own(
    dockerfile: str,
) -> None:
    joined = dockerfile.replace("\\\n", " ")
    assert re.search(
        r"--no-deps --only-binary :all: +--require-hashes --requirement requirements.lock", joined
    )
    assert re.search(r"^USER 10001:10001$", dockerfile, re.MULTILINE)
    assert "USER" not in dockerfile.partition("USER 10001")[2]


def test_every_package_of_the_project_is_in_the_image_and_in_what_is_sent_to_the_engine(
    dockerfile: str,
) -> None:
    wheel = re.search(r"^packages = (\[.+\])$", (REPOSITORY / "pyproject.toml").read_text(), re.M)
    assert wheel is not None
    packages = set(yaml.safe_load(wheel[1]))
    copied = {
        name
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
        for name in sources.split()
    }
    assert packages <= copied
    for name in copied:
        assert (REPOSITORY / name).exists(), name
    ignored = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


def test_the_linter_has_nothing_against_the_dockerfile() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    linted = subprocess.run(
        [linter, REPOSITORY / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert linted.stdout + linted.stderr == ""
    assert linted.returncode == 0
