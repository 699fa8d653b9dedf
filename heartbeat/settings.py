"""The settings: environment variables, one class."""

import ipaddress
import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, IPvAnyNetwork, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from heartbeat.connection_string import (
    database_name,
    is_usable,
    logged_in_as,
    names_a_login,
    of_database,
    sqlalchemy_url,
)
from heartbeat.duration import bytes_of, seconds_of
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.errors import SettingsError
from heartbeat.json_log import LogFormat
from heartbeat.login import Login
from heartbeat.login_folder import LoginFolder
from heartbeat.postgres_session import NEWER_SETTINGS, SESSION_SETTINGS, with_parameters
from heartbeat.secret import file_variable, read_secret
from heartbeat.wrong_value import wrong_value

_SHORTEST_TOKEN = 16
_DAGSTER_SESSION = {
    **{name: each for name, each in SESSION_SETTINGS.items() if name not in NEWER_SETTINGS},
    "search_path": "public",
}
"""What Dagster's storage depends on. It opens its connections itself, with what its URL says.

A server refuses a connection for a setting that it does not know, so the newer ones are left to
`prepare_databases`.
"""


DATABASE_URL = "HEARTBEAT_DATABASE_URL"
OPERATOR_TOKENS = "HEARTBEAT_OPERATOR_TOKENS"
READ_DATABASE_URL = "HEARTBEAT_READ_DATABASE_URL"
DAGSTER_TOKEN = "HEARTBEAT_DAGSTER_TOKEN"  # noqa: S105 - its name
SECRET_VARIABLES = (
    *(DATABASE_URL, READ_DATABASE_URL, OPERATOR_TOKENS, DAGSTER_TOKEN),
    *(each.password_variable for each in Login),
)
"""The settings that are secrets: each can also be given as a file, by its name and `_FILE`."""


class Settings(BaseSettings):
    """What the environment says; `Settings.load()` turns a bad value into one clear line."""

    model_config = SettingsConfigDict(frozen=True, validate_default=True)

    project: Path = Field(default=Path(), validation_alias="HEARTBEAT_PROJECT")
    """Folder with `sources/`, `metrics/`, `segments/` and `audit_cuts/`."""
    home: Path = Field(default=Path(".heartbeat"), validation_alias="HEARTBEAT_HOME")
    """State: embedded Postgres, Dagster home, dlt working folder, logs."""
    explicit_database_url: str | None = Field(
        default=None, validation_alias=DATABASE_URL, repr=False
    )
    """Where marts are; its user owns the databases and is what `heartbeat migrate` logs in as."""
    ingest_password: str | None = Field(
        default=None, validation_alias=Login.INGEST.password_variable, repr=False
    )
    compute_password: str | None = Field(
        default=None, validation_alias=Login.COMPUTE.password_variable, repr=False
    )
    reader_password: str | None = Field(
        default=None, validation_alias=Login.READER.password_variable, repr=False
    )
    api_password: str | None = Field(
        default=None, validation_alias=Login.API.password_variable, repr=False
    )
    operator_password: str | None = Field(
        default=None, validation_alias=Login.OPERATOR.password_variable, repr=False
    )
    dagster_password: str | None = Field(
        default=None, validation_alias=Login.DAGSTER.password_variable, repr=False
    )
    explicit_read_url: str | None = Field(
        default=None, validation_alias=READ_DATABASE_URL, repr=False
    )
    """A standby of marts, from which the API reads what it has replayed."""
    timezone: str = Field(default="UTC", validation_alias="HEARTBEAT_TIMEZONE")
    """Business time zone: "day" in history, schedules, display."""
    statement_timeout: str = Field(default="60s", validation_alias="METRIC_STATEMENT_TIMEOUT")
    """Per metric query, as Postgres writes durations."""
    temp_file_limit: str = Field(default="4GB", validation_alias="METRIC_TEMP_FILE_LIMIT")
    """Disk that the sorts and joins of one metric or cut may take, as Postgres writes sizes."""
    lock_timeout: str = Field(default="30s", validation_alias="HEARTBEAT_LOCK_TIMEOUT")
    """How long a landing waits for who holds a table in marts; its readers wait behind it."""
    landing_silence: str = Field(default="5min", validation_alias="HEARTBEAT_LANDING_SILENCE")
    """How long a landing waits for a source that sends nothing, or marts that make no progress."""
    cut_timeout: str = Field(default="5min", validation_alias="HEARTBEAT_CUT_TIMEOUT")
    """How long an audit cut may compute and draw, all its windows together."""
    cut_memory: str = Field(default="1GB", validation_alias="HEARTBEAT_CUT_MEMORY")
    """How much memory the process of an audit cut may use."""
    cut_confinement: Literal["required", "available"] = Field(
        default="available", validation_alias="HEARTBEAT_CUT_CONFINEMENT"
    )
    """Whether cuts run where the kernel cannot keep their code from files and network."""
    keep_runs_days: int = Field(default=14, validation_alias="HEARTBEAT_KEEP_RUNS_DAYS", ge=1)
    """How long Dagster's runs, with their events and logs, are kept."""
    keep_observations_days: int = Field(
        default=400, validation_alias="HEARTBEAT_KEEP_OBSERVATIONS_DAYS", ge=90
    )
    """How long every compute and every landing is kept; the daily history is kept for ever."""
    platform_metrics: bool = Field(default=True, validation_alias="HEARTBEAT_PLATFORM_METRICS")
    """Whether the platform watches itself with metrics of its own."""
    log_format: LogFormat = Field(default=LogFormat.TEXT, validation_alias="HEARTBEAT_LOG_FORMAT")
    """How every process writes its log: lines for people, or one JSON document an event."""
    bind_host: str = Field(default="127.0.0.1", validation_alias="HEARTBEAT_BIND_HOST")
    """Address on which every process listens; Dagster has no login, so keep it to this machine."""
    api_port: int = Field(default=8000, validation_alias="HEARTBEAT_API_PORT", ge=1, le=65535)
    dagster_port: int = Field(
        default=3000, validation_alias="HEARTBEAT_DAGSTER_PORT", ge=1, le=65535
    )
    code_port: int = Field(default=4266, validation_alias="HEARTBEAT_CODE_PORT", ge=1, le=65535)
    """gRPC port of the Dagster code location."""
    code_host: str = Field(default="127.0.0.1", validation_alias="HEARTBEAT_CODE_HOST")
    """Where webserver and daemon find the code location."""
    explicit_dagster_url: str | None = Field(default=None, validation_alias="HEARTBEAT_DAGSTER_URL")
    """Where the API and the command line find Dagster's webserver."""
    public_url: str | None = Field(default=None, validation_alias="HEARTBEAT_PUBLIC_URL")
    """Where people reach the cockpit; the links in the Dagster UI begin with it."""
    public_dagster_url: str | None = Field(
        default=None, validation_alias="HEARTBEAT_PUBLIC_DAGSTER_URL"
    )
    """Where people reach the Dagster UI, if that is behind a proxy."""
    allowed_hosts: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(), validation_alias="HEARTBEAT_ALLOWED_HOSTS"
    )
    """Host names by which a browser may ask, beside loopback, IP addresses and the public URLs."""
    feedback_url: str | None = Field(default=None, validation_alias="HEARTBEAT_FEEDBACK_URL")
    """Where the link "Feedback" of the cockpit leads; without it there is no such link."""
    operator_tokens: Annotated[Mapping[str, str], NoDecode] = Field(
        default={}, validation_alias=OPERATOR_TOKENS, repr=False
    )
    """Who may write with which bearer token: `name=token, name=token`."""
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = Field(
        default=(), validation_alias="HEARTBEAT_TRUSTED_PROXIES"
    )
    """Addresses or networks of the proxies whose identity header is believed."""
    identity_header: str = Field(
        default="X-Forwarded-Email", validation_alias="HEARTBEAT_IDENTITY_HEADER"
    )
    """The header in which a trusted proxy says who asks."""
    loopback_writes: bool = Field(default=False, validation_alias="HEARTBEAT_LOOPBACK_WRITES")
    """Whether this machine itself may write while no operator is set up."""
    explicit_dagster_token: str | None = Field(
        default=None,
        validation_alias=DAGSTER_TOKEN,
        min_length=_SHORTEST_TOKEN,
        repr=False,
    )
    """What API and command line show to Dagster's webserver, to launch runs."""

    @classmethod
    def load(cls) -> "Settings":
        """Read the environment; raises SettingsError that names the variable."""
        from_files = {
            variable: read_secret(variable, os.environ)
            for variable in SECRET_VARIABLES
            if os.environ.get(file_variable(variable))
        }
        try:
            return cls(**from_files)  # type: ignore[arg-type]  # by their aliases
        except ValidationError as error:
            first = error.errors()[0]
            raise SettingsError(f"{first['loc'][0]}: {wrong_value(first)}") from error

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(
                f"{value!r} is not an IANA time zone such as Europe/Vilnius"
            ) from error
        return value

    @field_validator("lock_timeout", "cut_timeout", "landing_silence")
    @classmethod
    def _limit(cls, value: str) -> str:
        seconds_of(value)
        return value

    @field_validator("cut_memory")
    @classmethod
    def _size(cls, value: str) -> str:
        bytes_of(value)
        return value

    @field_validator("temp_file_limit")
    @classmethod
    def _disk_size(cls, value: str) -> str:
        if not re.fullmatch(r"[1-9]\d* ?(MB|GB|TB)", value, re.ASCII):
            raise ValueError(f"{value!r} is not a size such as 500MB or 4GB")
        return value

    @field_validator("operator_tokens", mode="before")
    @classmethod
    def _named_tokens(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        entries = [entry.partition("=") for entry in value.split(",") if entry.strip()]
        tokens = {name.strip(): token.strip() for name, _, token in entries}
        if not all(tokens) or any(len(token) < _SHORTEST_TOKEN for token in tokens.values()):
            raise ValueError(
                f"it must look like name=token, each token at least {_SHORTEST_TOKEN} characters"
            )
        return tokens

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _listed_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return [entry.strip() for entry in value.split(",") if entry.strip()]

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _listed_hosts(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        names = frozenset(entry.strip().lower() for entry in value.split(",") if entry.strip())
        for name in names:
            if not re.fullmatch(r"[\w-]+(\.[\w-]+)*", name):
                raise ValueError(
                    f"'{name}' is not a host name such as heartbeat.lan: leave out scheme and port"
                )
        return names

    @field_validator("public_url", "public_dagster_url", "explicit_dagster_url", "feedback_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        url = urlsplit(value)
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise ValueError("it must look like https://host or http://host:port")
        return value.rstrip("/")

    @field_validator("public_url", "public_dagster_url")
    @classmethod
    def _origin(cls, value: str | None) -> str | None:
        """Pages, scripts and links are served at the root of a host name, and nowhere else."""
        if value is not None and value != "://".join(urlsplit(value)[:2]):
            raise ValueError(
                "it must end after the host: the cockpit needs a host name of its own, such as "
                "https://heartbeat.company.example, and is not served below a path"
            )
        return value

    @field_validator("explicit_database_url", "explicit_read_url")
    @classmethod
    def _libpq_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not is_usable(value) or database_name(value) is None:
            raise ValueError(
                "it must look like postgresql://user:password@host:5432/marts, or be another "
                "connection string of libpq that names the database"
            )
        return value

    @field_validator("project", "home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @cached_property
    def embedded_postgres(self) -> EmbeddedPostgres:
        """The marts server that Heartbeat runs itself when no database URL is set."""
        return EmbeddedPostgres(self.home / "postgres", logins=self.login_folder)

    @property
    def login_folder(self) -> LoginFolder:
        """Where the passwords are that no setting gives."""
        return LoginFolder(self.home / "logins")

    @property
    def database_url(self) -> str:
        """The marts database for its owner, as a connection string of libpq: for `migrate` only."""
        return self.explicit_database_url or self.embedded_postgres.url("marts")

    @property
    def has_owner(self) -> bool:
        """Whether the database URL says who logs in; processes that only serve go without."""
        return self.explicit_database_url is None or names_a_login(self.explicit_database_url)

    def login_url(self, login: Login) -> str:
        """The marts database for the job of a login, as a connection string of libpq."""
        return logged_in_as(self.database_url, login.value, self.password(login))

    def read_url(self, login: Login) -> str | None:
        """The standby of marts for a login; None where reads go to the primary."""
        if self.explicit_read_url is None:
            return None
        return logged_in_as(self.explicit_read_url, login.value, self.password(login))

    def password(self, login: Login) -> str | None:
        """The password of a login; None where no setting gives one and `migrate` made none."""
        return self.given_password(login) or self.login_folder.read(login.value)

    def given_password(self, login: Login) -> str | None:
        """The password of a login that a setting gives."""
        given: str | None = getattr(self, f"{login.name.lower()}_password")
        return given or None

    @property
    def database_name(self) -> str:
        """The marts database."""
        return str(database_name(self.database_url))

    @property
    def dagster_database_name(self) -> str:
        """Dagster's own database, on the same server."""
        return f"{self.database_name}_dagster"

    @property
    def dagster_database_url(self) -> str:
        """Dagster's own database on the same server, as SQLAlchemy URL for psycopg2."""
        own = with_parameters(self.dagster_login_url, application_name="heartbeat_dagster")
        return sqlalchemy_url(own, **_DAGSTER_SESSION)

    @property
    def dagster_login_url(self) -> str:
        """Dagster's own database for its login, as a connection string of libpq."""
        return of_database(self.login_url(Login.DAGSTER), self.dagster_database_name)

    @property
    def cockpit_url(self) -> str:
        """Where the cockpit is, without a slash at the end."""
        return self.public_url or self.api_url

    @property
    def api_url(self) -> str:
        """The API as this machine reaches it, without a slash at the end."""
        return f"http://{reachable(self.bind_host)}:{self.api_port}"

    @property
    def dagster_url(self) -> str:
        """Dagster's webserver, without a slash at the end."""
        return self.explicit_dagster_url or self.own_dagster_url

    @property
    def own_dagster_url(self) -> str:
        """Dagster's webserver of this machine, without a slash at the end."""
        return f"http://{reachable(self.bind_host)}:{self.dagster_port}"

    @property
    def dagster_token_file(self) -> Path:
        """Where the token for Dagster's webserver is kept while no variable gives it."""
        return self.home / "dagster_token"

    @property
    def dagster_token(self) -> str | None:
        """What API and command line show to Dagster's webserver; None before it was made."""
        if self.explicit_dagster_token:
            return self.explicit_dagster_token
        try:
            return self.dagster_token_file.read_text(encoding="ascii").strip() or None
        except OSError:
            return None

    @property
    def code_bind_host(self) -> str:
        """Where the code location listens: on loopback, unless other machines have to reach it.

        Whoever reaches it can run code: it has no login.
        """
        return self.code_host if _is_loopback(self.code_host) else self.bind_host

    @property
    def zone(self) -> ZoneInfo:
        """The business time zone."""
        return ZoneInfo(self.timezone)

    @property
    def dagster_home(self) -> Path:
        """Dagster's instance folder."""
        return self.home / "dagster"

    @property
    def run_workers(self) -> Path:
        """Where the run launcher keeps the locks of the living workers."""
        return self.dagster_home / "run_workers"

    @property
    def dlt_home(self) -> Path:
        """Working folder of the dlt pipelines."""
        return self.home / "dlt"


_ANY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def reachable(host: str) -> str:
    """The host of a URL at which this machine reaches what listens on an address."""
    address = _ANY_ADDRESS.get(host, host)
    return f"[{address}]" if ":" in address else address


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
