"""The containers of docker-compose.yml under a name, on ports and in folders of their own."""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.running_stack import free_ports

REPOSITORY = Path(__file__).parents[2]
HERE = Path(__file__).parent
PATIENCE_SECONDS = 900
OPERATOR = "dana@company.example"
KEPT_UP = ("marts", "code-location", "daemon", "webserver", "api")
_FOLDERS = ("sources", "metrics", "segments", "audit_cuts")


class EngineAwayError(Exception):
    """No Docker engine, no compose, or no image to begin with; the message says which."""


class Trial:
    """One project of compose, from its first image to its last volume."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Raises EngineAwayError."""
        self.say = say
        self._compose_command = _compose_command()
        self.folder = Path(tempfile.mkdtemp(prefix="heartbeat-containers-"))
        self.content = self.folder / "content"
        self.secrets = self.folder / "secrets"
        self.name = f"heartbeat-trial-{secrets.token_hex(3)}"
        api, dagster, http, https = free_ports(4)
        self.api_url = f"http://127.0.0.1:{api}"
        self.dagster_url = f"http://127.0.0.1:{dagster}"
        self.proxy_url = f"https://localhost:{https}"
        self._variables = {
            "COMPOSE_PROJECT_NAME": self.name,
            "HEARTBEAT_CONTENT": str(self.content),
            "HEARTBEAT_SECRETS": str(self.secrets),
            "HEARTBEAT_API_PORT": str(api),
            "HEARTBEAT_DAGSTER_PORT": str(dagster),
            "HEARTBEAT_HTTP_PORT": str(http),
            "HEARTBEAT_HTTPS_PORT": str(https),
            "HEARTBEAT_PROXY_BIND": "127.0.0.1",
            "HEARTBEAT_PUBLIC_URL": self.proxy_url,
            "HEARTBEAT_PROXY_NETWORK": "172.16.84.0/28",
            "HEARTBEAT_PROXY_ADDRESS": "172.16.84.10",
            "HEARTBEAT_VERSION": self.version(1),
            **_images(say),
        }

    def version(self, number: int) -> str:
        """The tag of one of the trial's images."""
        return f"{self.name}-{number}"

    def image(self, number: int) -> str:
        """The name of one of the trial's images."""
        return f"heartbeat:{self.version(number)}"

    @property
    def caddy_image(self) -> str:
        """The proxy's."""
        return self._variables["CADDY_IMAGE"]

    def prepare(self) -> None:
        """Content, secrets and the first image; a source system with a small bank in it."""
        for name in _FOLDERS:
            shutil.copytree(REPOSITORY / name, self.content / name)
        shutil.copytree(REPOSITORY / "docs", self.content / "docs")
        _readable(self.content)
        script = ["sh", str(REPOSITORY / "deploy" / "make-secrets.sh"), OPERATOR]
        _output(script, self._environment)
        for file in self.secrets.glob("source_*_url"):
            database = file.name.removeprefix("source_").removesuffix("_url").replace("_", "-")
            file.chmod(0o600)
            file.write_text(f"postgresql://heartbeat_reader_a:x@bank:5432/{database}")
            file.chmod(0o444)
        self.build(1)
        self.compose("up", "-d", "bank")
        self.wait_until(lambda: self.health("bank") == "healthy", "healthy bank")
        self.run_once("demo_bank", "seed", "--scale", "0.02", "--without-incidents")
        self.bank("postgres", "alter role heartbeat_reader_a password 'x'")

    def build(self, number: int) -> float:
        """Build an image; gives the seconds that it took."""
        began = time.monotonic()
        self.compose("build", "prepare", version=number)
        return time.monotonic() - began

    def up(self, number: int = 1, *, profile: str | None = None) -> float:
        """Start everything, or replace what differs; gives the seconds that it took."""
        began = time.monotonic()
        chosen = ("--profile", profile) if profile else ()
        self.compose(*chosen, "up", "-d", version=number)
        return time.monotonic() - began

    def end(self) -> None:
        """Remove every trace."""
        self.compose("--profile", "proxy", "down", "--volumes", "--remove-orphans")
        for number in (1, 2):
            # its layers stay, and with them the minutes that they took
            remove = ["docker", "rmi", "--no-prune", self.image(number)]
            subprocess.run(remove, capture_output=True, check=False)
        shutil.rmtree(self.folder)

    def compose(self, *arguments: str, version: int | None = None) -> str:
        """A command of compose."""
        files = [str(REPOSITORY / "docker-compose.yml"), str(HERE / "bank.yml")]
        command = [*self._compose_command, *(each for file in files for each in ("-f", file))]
        chosen = {"HEARTBEAT_VERSION": self.version(version)} if version else {}
        if version:
            self._variables |= chosen
        return _output([*command, *arguments], self._environment)

    def run_once(self, entrypoint: str, *arguments: str) -> str:
        """A container beside the services, with the bank's own rights."""
        url = "DEMO_BANK_URL=postgresql://postgres:bank@bank:5432/postgres"
        options = ["--rm", "--no-deps", "-T", "-e", url, "--entrypoint", entrypoint]
        return self.compose("run", *options, "ingest", *arguments)

    def begin_backfill(self, name: str, *arguments: str) -> None:
        """`docker compose run ingest`, in the background; `name` is the container's."""
        patient = ["-e", "HEARTBEAT_LOCK_TIMEOUT=1h"]
        self.compose("run", "-d", "--name", name, *patient, "ingest", *arguments)

    def container(self, service: str) -> str:
        """The id of a service's container."""
        return self.compose("ps", "-q", service).strip()

    def inspected(self, container: str) -> Any:
        """What the engine says of a container."""
        return json.loads(docker("inspect", container))[0]

    def health(self, service: str) -> str:
        """The health of a service, or its status where it is asked nothing."""
        state = self.inspected(self.container(service))["State"]
        return str(state.get("Health", state)["Status"])

    def bank(self, database: str, statement: str) -> str:
        """The answer of the source system."""
        return self._psql("bank", "postgres", database, statement)

    def marts(self, statement: str) -> str:
        """The answer of marts, to its owner."""
        return self._psql("marts", "heartbeat", "marts", statement)

    def _psql(self, service: str, user: str, database: str, statement: str) -> str:
        psql = ["psql", "-h", "/run/postgresql", "-U", user, "-d", database, "-AtXqc", statement]
        return docker("exec", self.container(service), *psql).strip()

    @property
    def token(self) -> str:
        """The operator's."""
        return (self.secrets / "operator_tokens").read_text().partition("=")[2].strip()

    def get(self, path: str) -> Any:
        """What the API answers."""
        return httpx.get(f"{self.api_url}{path}", timeout=30).raise_for_status().json()

    def refresh(self, metric: str) -> str:
        """How a refresh of a metric ends that the operator asks for."""
        asked = httpx.post(
            f"{self.api_url}/api/metrics/recompute",
            json={"metric_ids": [metric]},
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=60,
        )
        if asked.is_error:
            return asked.text
        job = asked.json()["job_id"]
        states: list[str] = []

        def ended() -> bool:
            states.append(self.get(f"/api/metrics/recompute/{job}")["state"])
            return states[-1] not in ("queued", "running")

        self.wait_until(ended, f"end of job {job}")
        return states[-1]

    def wait_until(self, condition: Callable[[], object], what: str) -> float:
        """Ask until it holds, an API that is away counting as no; gives the seconds."""
        began = time.monotonic()
        while True:
            try:
                if condition():
                    return time.monotonic() - began
            except (httpx.HTTPError, subprocess.CalledProcessError, LookupError):
                pass
            assert time.monotonic() - began < PATIENCE_SECONDS, f"no {what}\n{self.logs()}"
            time.sleep(0.5)

    def logs(self) -> str:
        """The end of what every service said."""
        return self.compose("logs", "--no-color", "--tail", "15")

    @property
    def _environment(self) -> Mapping[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HEARTBEAT_", "COMPOSE_"))}
        return {**kept, **self._variables}


def docker(*arguments: str) -> str:
    """A command of the engine; CalledProcessError when it fails."""
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout


def _output(command: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stdout + done.stderr)[-3000:]
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}: {said}")
    return done.stdout


def _compose_command() -> list[str]:
    """Compose v2, or docker-compose; raises EngineAwayError."""
    try:
        docker("version", "--format", "{{.Server.Version}}")
    except FileNotFoundError:
        raise EngineAwayError("there is no command docker on this machine") from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()[-1:]
        raise EngineAwayError(f"no Docker engine answers: {' '.join(last)}") from None
    for command in (["docker", "compose"], ["docker-compose"]):
        if (
            shutil.which(command[0])
            and not subprocess.run(
                [*command, "version"], capture_output=True, check=False
            ).returncode
        ):
            return command
    raise EngineAwayError("there is neither `docker compose` nor `docker-compose`")


def _images(say: Callable[[str], None]) -> dict[str, str]:
    """The base images: of the environment, else the pinned ones, else what stands in for them."""
    text = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for variable in ("PYTHON_IMAGE", "POSTGRES_IMAGE", "CADDY_IMAGE"):
        pinned = text.partition(f"${{{variable}:-")[2].partition("}")[0]
        asked = os.environ.get(variable, pinned)
        found[variable] = asked if _can_be_had(asked) else _stand_in(variable, asked, found, say)
    return found


def _can_be_had(image: str) -> bool:
    return any(
        not subprocess.run(["docker", *verb, image], capture_output=True, check=False).returncode
        for verb in (["image", "inspect"], ["pull", "--quiet"])
    )


def _stand_in(
    variable: str, image: str, found: Mapping[str, str], say: Callable[[str], None]
) -> str:
    if variable == "PYTHON_IMAGE":
        local = image.partition("@")[0]
        if not _can_be_had(local):
            raise EngineAwayError(f"{image} cannot be pulled, and there is no {local} here")
        say(f"{image} cannot be pulled: the image {local} of this machine stands in")
        return local
    name = variable.removesuffix("_IMAGE").lower()
    say(f"{image} cannot be pulled: a stand-in of {name} from its wheel is built")
    folder = HERE / "stand_ins"
    tag = f"heartbeat-trial-{name}"
    docker(
        *("build", "--network", "host", "--build-arg", f"PYTHON_IMAGE={found['PYTHON_IMAGE']}"),
        *("--tag", tag, "--file", str(folder / f"{name}.Dockerfile"), str(folder)),
    )
    return tag


def _readable(folder: Path) -> None:
    """For the user of the containers, whatever mask the tests run with."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
