"""The logins of Heartbeat's jobs in the marts server: each may do what its job needs, no more."""

from enum import StrEnum


class Login(StrEnum):
    """A role of the server that processes log in as; `docs/security.md` says who may do what."""

    INGEST = "heartbeat_ingest"
    """Owns the landed schemas, writes the log of loads, registers content, removes old rows."""
    COMPUTE = "heartbeat_compute"
    """Writes what metrics, segments, benchmarks and audit cuts gave."""
    READER = "heartbeat_reader"
    """Runs the SQL of authors: reads landed tables, and can write nothing."""
    API = "heartbeat_api"
    """Reads what the cockpit shows, and notes which screens show it."""
    OPERATOR = "heartbeat_operator"
    """Writes what operators decide: thresholds, owners, verifications, watchlists."""
    DAGSTER = "heartbeat_dagster"
    """Owns Dagster's database, and sees nothing of marts."""

    @property
    def password_variable(self) -> str:
        """The setting that holds its password."""
        return f"{self.value.upper()}_PASSWORD"
