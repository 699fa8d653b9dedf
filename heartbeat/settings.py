"""The settings: environment variables, one class."""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, IPvAnyNetwork, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from heartbeat.connection_string import database_name, is_usable, of_database, sqlalchemy_url
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.errors import SettingsError
from heartbeat.postgres_session import NEWER_SETTINGS, SESSION_SETTINGS, with_parameters
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


class Settings(BaseSettings):
    """What the environment says; `Settings.load()` turns a bad value into one clear line."""

    model_config = SettingsConfigDict(frozen=True, validate_default=True)

    project: Path = Field(default=Path(), validation_alias="HEARTBEAT_PROJECT")
    """Folder with `sources/`, `metrics/`, `segments/` and `audit_cuts/`."""
    home: Path = Field(default=Path(".heartbeat"), validation_alias="HEARTBEAT_HOME")
    """State: embedded Postgres, Dagster home, dlt working folder, logs."""
    explicit_database_url: str | None = Field(
        default=None, validation_alias="HEARTBEAT_DATABASE_URL"
    )
    read_database_url: str | None = Field(
        default=None, validation_alias="HEARTBEAT_READ_DATABASE_URL", repr=False
    )
    """A standby of marts, from which the API reads what it has replayed."""
    timezone: str = Field(default="UTC", validation_alias="HEARTBEAT_TIMEZONE")
    """Business time zone: "day" in history, schedules, display."""
    statement_timeout: str = Field(default="60s", validation_alias="METRIC_STATEMENT_TIMEOUT")
    """Per metric query, as Postgres writes durations."""
    lock_timeout: str = Field(default="30s", validation_alias="HEARTBEAT_LOCK_TIMEOUT")
    """How long a landing waits for who holds a table in marts; its readers wait behind it."""
    keep_runs_days: int = Field(default=14, validation_alias="HEARTBEAT_KEEP_RUNS_DAYS", ge=1)
    """How long Dagster's runs, with their events and logs, are kept."""
    keep_observations_days: int = Field(
        default=400, validation_alias="HEARTBEAT_KEEP_OBSERVATIONS_DAYS", ge=90
    )
    """How long every compute and every landing is kept; the daily history is kept for ever."""
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
    feedback_url: str | None = Field(default=None, validation_alias="HEARTBEAT_FEEDBACK_URL")
    """Where the link "Feedback" of the cockpit leads; without it there is no such link."""
    operator_tokens: Annotated[Mapping[str, str], NoDecode] = Field(
        default={}, validation_alias="HEARTBEAT_OPERATOR_TOKENS", repr=False
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

    @classmethod
    def load(cls) -> "Settings":
        """Read the environment; raises SettingsError that names the variable."""
        try:
            return cls()
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

    @field_validator("lock_timeout")
    @classmethod
    def _limit(cls, value: str) -> str:
        if not re.fullmatch(r"[1-9]\d* ?(ms|s|min|h)", value, re.ASCII):
            raise ValueError(f"{value!r} is not a duration such as 500ms, 30s or 2min")
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

    @field_validator("public_url", "explicit_dagster_url", "feedback_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        url = urlsplit(value)
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise ValueError("it must look like https://host or http://host:port")
        return value.rstrip("/")

    @field_validator("public_url")
    @classmethod
    def _origin(cls, value: str | None) -> str | None:
        """Pages, scripts and links are served at the root of a host name, and nowhere else."""
        if value is not None and value != "://".join(urlsplit(value)[:2]):
            raise ValueError(
                "it must end after the host: the cockpit needs a host name of its own, such as "
                "https://heartbeat.company.example, and is not served below a path"
            )
        return value

    @field_validator("explicit_database_url", "read_database_url")
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
        return EmbeddedPostgres(self.home / "postgres")

    @property
    def database_url(self) -> str:
        """The marts database as a connection string of libpq."""
        return self.explicit_database_url or self.embedded_postgres.url("marts")

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
        own = of_database(self.database_url, self.dagster_database_name)
        return sqlalchemy_url(
            with_parameters(own, application_name="heartbeat_dagster"), **_DAGSTER_SESSION
        )

    @property
    def cockpit_url(self) -> str:
        """Where the cockpit is, without a slash at the end."""
        return self.public_url or f"http://127.0.0.1:{self.api_port}"

    @property
    def dagster_url(self) -> str:
        """Dagster's webserver, without a slash at the end."""
        return self.explicit_dagster_url or f"http://127.0.0.1:{self.dagster_port}"

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
