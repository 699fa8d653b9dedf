"""The simulated bank at scale 1: seeding it, landing it, and every metric on it.

The bank (6,000 clients, 420,000 payments, 1.5 million entries, 200 days) is seeded and landed in
processes of their own, so that their peak memory is theirs. Each metric's value and its 90-day
history are the best of three; beside them the sum of all entries, which reads the largest table
once.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from heartbeat.database import ensure_database
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.marts_session import reading_as_of
from heartbeat.metrics.metric_file import load_metrics
from heartbeat.schema.migration import migrate
from heartbeat.settings import Settings

REPOSITORY = Path(__file__).parents[1]
ANCHOR = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
BOUNDS = {"seeding": 180.0, "seeding, MB": 1000.0, "value": 1.0, "history": 5.0}
SCAN = "select sum(amount) from webbank_core.entry"
ROUNDS = 3


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds and peak megabytes of a command; raises CalledProcessError."""
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.monotonic() - started, usage.ru_maxrss / 1000


def seconds(marts_url: str, statement: str) -> float:
    settings = Settings.model_validate(
        {"HEARTBEAT_DATABASE_URL": marts_url, "METRIC_STATEMENT_TIMEOUT": "10min"}
    )
    with reading_as_of(settings, (), as_of=ANCHOR) as marts:
        times = []
        for _ in range(ROUNDS):
            started = time.monotonic()
            marts.execute(statement.encode()).fetchall()
            times.append(time.monotonic() - started)
    return min(times)


def report(title: str, value: float, unit: str, bound: float) -> bool:
    verdict = "" if value <= bound else "  BEYOND ITS BOUND"
    print(f"{title:<52} {value:8.2f} {unit:<3} (bound {bound:g}){verdict}")
    return value <= bound


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="1")
    scale = parser.parse_args().scale
    with tempfile.TemporaryDirectory(prefix="bank-") as folder:
        sources, marts = (EmbeddedPostgres(Path(folder) / name) for name in ("sources", "marts"))
        with sources.running(), marts.running():
            ensure_database(marts.url("marts"))
            migrate(marts.url("marts"))
            sys.exit(0 if measure(scale, sources.url("postgres"), marts.url("marts")) else 1)


def measure(scale: str, server_url: str, marts_url: str) -> bool:
    bank = [sys.executable, "-m", "demo_bank"]
    seeding = [*bank, "seed", "--url", server_url, "--scale", scale]
    took, peak = measured([*seeding, "--anchor", ANCHOR.isoformat()], dict(os.environ))
    well = report("seeding", took, "s", BOUNDS["seeding"])
    well &= report("seeding, peak memory", peak, "MB", BOUNDS["seeding, MB"])
    urls = subprocess.run(
        [*bank, "environment", "--url", server_url], stdout=subprocess.PIPE, check=True
    ).stdout
    environment = {**os.environ, **json.loads(urls), "HEARTBEAT_DATABASE_URL": marts_url}
    took, peak = measured([sys.executable, "-m", "heartbeat", "ingest"], environment)
    print(f"{'landing all tables':<52} {took:8.2f} s   ({peak:.0f} MB)")
    with psycopg.connect(marts_url, autocommit=True) as connection:
        connection.execute("vacuum analyze")
    scan = seconds(marts_url, SCAN)
    print(f"{'one sum of all entries':<52} {scan:8.2f} s")
    for metric in load_metrics(REPOSITORY / "metrics").metrics:
        for part, statement in (("value", metric.value_sql), ("history", metric.history_sql)):
            took = seconds(marts_url, statement or "")
            title = f"{metric.code} {part}, {took / scan:.1f} x the sum"
            well &= report(title, took, "s", BOUNDS[part])
    return well


if __name__ == "__main__":
    main()
