"""Landing a table of 1,000,000 rows and 10 columns, beside the limit and beside dlt's own ways.

The limit is `COPY ... TO STDOUT` piped into `COPY ... FROM STDIN`, both binary, into a table
without an index. Everything runs on one embedded server, each way in each of several rounds; the
ratios are those of the medians. Peak memory is that of a process that does nothing but land.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from heartbeat.database import ensure_database
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.landing.catalog import write_catalog
from heartbeat.landing.landing_run import LandingRun
from heartbeat.landing.ledger import TableLoad
from heartbeat.landing.selection import select_tables
from heartbeat.landing.source_session import source_session
from heartbeat.schema.migration import migrate
from heartbeat.settings import Settings
from heartbeat.source import load_sources, parse_source_file

ROWS = 1_000_000
SIZES = (1_000_000, 4_000_000)
ROUNDS = 3
TICKS = 5
COLUMNS = """
    id bigint not null, client_id bigint, amount numeric(18, 2), fee numeric, reference uuid,
    state text, details jsonb, create_time timestamptz, update_time timestamptz, booked_on date
"""
FILL = """
    insert into core.payment select
        i, i %% 6000, (random() * 10000)::numeric(18, 2), round(random()::numeric, 4),
        gen_random_uuid(), (array['EXECUTED', 'REJECTED', 'CREATED'])[1 + i %% 3],
        jsonb_build_object('channel', 'web', 'n', i), now() - i * interval '17 seconds',
        now() - interval '1 day' - i * interval '16 seconds',
        (now() - i * interval '17 seconds')::date
    from generate_series(1, %s) as i
"""
MERGE = "{cursor: update_time, lag: 15 minutes}"
REPLACE = "{write: replace}"
APPEND = "{cursor: create_time, write: append}"
BOUNDS = {
    "append": 2.5,
    "replace": 3.0,
    "first merge": 3.0,
    "merge of all rows again": 5.0,
}


@dataclass(frozen=True)
class Bench:
    """A source with the payment table, and marts."""

    folder: Path
    source_url: str
    marts_url: str

    def lands(self, options: str) -> float:
        """Seconds of one `heartbeat ingest` without the start of the interpreter."""
        sources = self.folder / "sources"
        (sources / "bank.yaml").write_text(
            "kind: postgres\nconnection_env: SOURCE_BANK_URL\nschemas: [core]\n"
            f"first_load_rows: {10 * ROWS}\ntables:\n  core.payment: {options}\n"
        )
        with source_session("bank", parse_source_file(sources / "bank.yaml")) as session:
            write_catalog(sources / "bank.catalog.json", session.catalog())
        chosen = select_tables(load_sources(sources).sources, source=None, schema=None, tables=None)
        start = time.perf_counter()
        with LandingRun(Settings.load(), "benchmark", chosen, Loud()) as run:
            run.land(chosen[0])
        return time.perf_counter() - start

    def forgets(self) -> None:
        """Drop what has landed."""
        self.marts(
            "drop schema if exists bank_core cascade; truncate heartbeat.table_load; checkpoint"
        )

    def source(self, statement: str) -> None:
        """Run SQL in the source."""
        with psycopg.connect(self.source_url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def marts(self, statement: str) -> None:
        """Run SQL in marts."""
        with psycopg.connect(self.marts_url, autocommit=True) as connection:
            for part in statement.split(";"):
                connection.execute(part.encode())


class Loud:
    """Ends the benchmark where a table does not land."""

    def landed(self, load: TableLoad) -> None:
        """Every table must."""
        if load.error is not None:
            raise SystemExit(load.error)

    def noted(self, message: str) -> None:
        """Tell it."""
        print(message, file=sys.stderr)


def main() -> None:
    """Print all tables of figures."""
    with bench(ROWS) as it:
        seconds: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for name, measure in WAYS.items():
                seconds.setdefault(name, []).append(measure(it))
        medians = {name: statistics.median(each) for name, each in seconds.items()}
        print(f"{ROWS:,} rows x 10 columns, seconds (median of {ROUNDS})")
        limit = medians["limit"]
        for name, median in medians.items():
            bound = f"   at most {BOUNDS[name]}" if name in BOUNDS else ""
            print(f"{name:28}{median:8.2f}{median / limit:8.2f} x the limit{bound}")
        for name, bound in (("pyarrow", 5), ("sqlalchemy", 20)):
            ratio = sql_database(it, name) / medians["append"]
            print(f"dlt sql_database, {name:11}{ratio:8.1f} x append   at least {bound}")
    print("rows           full load  tick with 1 % changed        peak memory, MB")
    for rows in SIZES:
        with bench(rows) as it:
            peak = peak_memory()
            full = first_merge(it)
            tick = statistics.median(one_percent(it, number) for number in range(TICKS))
        print(f"{rows:>10,}{full:12.2f} s{tick:10.2f} s{tick / full:8.1%}{peak:19.0f}")


def limit(it: Bench) -> float:
    """The pipe."""
    it.marts(f"drop table if exists piped; create table piped ({COLUMNS}); checkpoint")
    start = time.perf_counter()
    with (
        psycopg.connect(it.source_url) as source,
        psycopg.connect(it.marts_url) as marts,
        source.cursor().copy("copy core.payment to stdout (format binary)") as rows,
        marts.cursor().copy("copy piped from stdin (format binary)") as target,
    ):
        for chunk in rows:
            target.write(chunk)
    return time.perf_counter() - start


def append(it: Bench) -> float:
    """A table without a key, for the first time."""
    it.source("alter table core.payment drop constraint if exists payment_pkey")
    it.forgets()
    seconds = it.lands(APPEND)
    it.source("alter table core.payment add primary key (id)")
    return seconds


def replace(it: Bench) -> float:
    """All rows anew, in the place of others."""
    it.forgets()
    it.lands(REPLACE)
    it.source("update core.payment set fee = fee + 1 where id = 1")
    return it.lands(REPLACE)


def first_merge(it: Bench) -> float:
    """The first load of a table with a key and a cursor."""
    it.forgets()
    return it.lands(MERGE)


def merge_again(it: Bench) -> float:
    """Every row has changed since; follows the first merge."""
    it.source(
        "update core.payment set fee = fee + 1, update_time = update_time + '1 year'::interval"
    )
    it.source("vacuum analyze core.payment")
    seconds = it.lands(MERGE)
    it.source("update core.payment set update_time = update_time - '1 year'::interval")
    it.source("vacuum full analyze core.payment")
    return seconds


def one_percent(it: Bench, number: int) -> float:
    """A tick after one row in a hundred has changed, the next ones in age and an hour later."""
    it.source(
        f"update core.payment set fee = fee + 1,"
        f" update_time = now() - interval '20 hours' + interval '{number} hours'"
        f" where id * 100 / (select max(id) from core.payment) = {number}"
    )
    return it.lands(MERGE)


WAYS: dict[str, Callable[[Bench], float]] = {
    "limit": limit,
    "append": append,
    "replace": replace,
    "first merge": first_merge,
    "merge of all rows again": merge_again,
}


def sql_database(it: Bench, backend: str) -> float:
    """Seconds of dlt's own source with one of its backends, in a process of its own."""
    it.marts("drop schema if exists dlt_own cascade; checkpoint")
    command = [sys.executable, __file__, "--sql-database", backend]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run_sql_database(backend: str) -> None:
    """Land the payment table with dlt's own source; prints the seconds."""
    import dlt
    from dlt.sources.sql_database import sql_table

    url = os.environ["SOURCE_BANK_URL"].replace("postgresql://", "postgresql+psycopg2://")
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "own",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(os.environ["HEARTBEAT_DATABASE_URL"]),
            dataset_name="dlt_own",
        )
        start = time.perf_counter()
        table = sql_table(url, schema="core", table="payment", backend=backend)
        pipeline.run(table, loader_file_format="parquet" if backend == "pyarrow" else None)
        print(time.perf_counter() - start)


def peak_memory() -> float:
    """Megabytes of a process that lands the table as a first merge."""
    command = [sys.executable, __file__, "--land"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run_landing() -> None:
    """Land the payment table; prints the peak memory of this process."""
    url = os.environ["HEARTBEAT_DATABASE_URL"]
    it = Bench(Path(os.environ["HEARTBEAT_PROJECT"]), os.environ["SOURCE_BANK_URL"], url)
    it.lands(MERGE)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


@contextmanager
def bench(rows: int) -> Iterator[Bench]:
    """Fresh servers with the payment table, in the environment of this process."""
    folder = Path(tempfile.mkdtemp(prefix="heartbeat-ingest-"))
    server = EmbeddedPostgres(folder / "pg")
    try:
        with server.running():
            (folder / "sources").mkdir()
            it = Bench(folder, server.url("bank"), server.url("marts"))
            os.environ |= {
                "HEARTBEAT_PROJECT": str(folder),
                "HEARTBEAT_PLATFORM_METRICS": "off",
                "HEARTBEAT_HOME": str(folder / "home"),
                "HEARTBEAT_DATABASE_URL": it.marts_url,
                "SOURCE_BANK_URL": it.source_url,
            }
            ensure_database(it.source_url)
            ensure_database(it.marts_url)
            migrate(it.marts_url)
            it.source(f"create schema core; create table core.payment ({COLUMNS})")
            it.source(FILL.replace("%%", "%").replace("%s", str(rows)))
            it.source("alter table core.payment add primary key (id)")
            it.source("create index on core.payment (update_time)")
            it.source("vacuum analyze core.payment")
            yield it
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--land", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--sql-database", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.land:
        run_landing()
    elif arguments.sql_database:
        run_sql_database(arguments.sql_database)
    else:
        main()
