"""The two source servers: which databases they hold, and what a reader may see of them."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

DDL = Path(__file__).parent / "ddl"
READER_A, READER_B = "heartbeat_reader_a", "heartbeat_reader_b"


@dataclass(frozen=True)
class Database:
    """One database, its DDL file and the schemas that the cluster's reader may select from."""

    name: str
    readable: tuple[str, ...]

    @property
    def ddl(self) -> Path:
        return DDL / f"{self.name.replace('-', '_')}.sql"

    @property
    def unfinished(self) -> str:
        """Its name until it is filled."""
        return f"{self.name}-seeding"

    @property
    def variable(self) -> str:
        """The environment variable under which its source file finds it."""
        return f"SOURCE_{self.name.replace('-', '_').upper()}_URL"


@dataclass(frozen=True)
class Cluster:
    """One server and the one role that reads it; the other cluster does not know that role."""

    reader: str
    databases: tuple[Database, ...]


CLUSTER_A = Cluster(
    READER_A,
    (
        Database("webbank", ("core", "dict")),
        Database("aml", ("aml",)),
        Database("pdvs", ("core",)),
        Database("vss", ("vss", "dict")),
        Database("card-management", ("card", "dict", "replication")),
        Database("currency-rate", ("rate",)),
        Database("bpm", ()),
        Database("notification", ()),
        Database("vmi", ()),
    ),
)
CLUSTER_B = Cluster(
    READER_B,
    (
        Database("mms", ("mms",)),
        Database("mms_inst", ("mms_inst",)),
        Database("mss_kart", ("mss_kart",)),
    ),
)


def reader_urls(server_url: str) -> dict[str, str]:
    """The read-only URL of each database of cluster A that can be read, by its variable."""
    server = urlsplit(server_url)
    address = server.netloc.rpartition("@")[2]
    reader = server._replace(netloc=f"{READER_A}:x@{address}")
    return {
        database.variable: reader._replace(path=f"/{database.name}").geturl()
        for database in CLUSTER_A.databases
        if database.readable
    }
