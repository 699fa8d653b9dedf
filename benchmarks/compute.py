"""The compute step: every metric on the bank at scale 1, and 300 synthetic metrics.

The step is what `compute_metrics` does between the registry's sync and its last row stored. It is
measured with all past days (the first compute of a business day) and without (every later one);
beside it the same value statements one after the other on one connection. The synthetic metrics
cost the database next to nothing, so that what is left of a step is the engine: once as the command
line runs it, once as a Dagster step with its events in Postgres.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from dagster import DagsterInstance, JobDefinition, execute_job, reconstructable

from heartbeat.database import prepare_databases
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.marts_session import reading_as_of
from heartbeat.metrics.compute import compute_and_store
from heartbeat.metrics.metric import Metric
from heartbeat.metrics.metric_file import load_metrics
from heartbeat.metrics.registry import sync
from heartbeat.settings import Settings
from heartbeat.stack.process import environment, write_dagster_home
from heartbeat_assets.code_location import code_location

REPOSITORY = Path(__file__).parents[1]
ANCHOR = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
SYNTHETIC = 300
BOUNDS = {"31 metrics": 5.0, "300 synthetic": 60.0, "overhead": 60.0}
ROUNDS = 3
METRIC = """\
/* ---
code: {code}
name: Synthetic {number}
short_name: Synthetic {number}
period: snapshot
unit: count
direction: lower_is_better
kind: threshold
norm_value: 5
--- */
-- name: value
select count(*) + {number} from webbank_dict.payment_state
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="1")
    parser.add_argument("--marts", help="A URL of marts where the bank has landed already.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="compute-") as name:
        folder = Path(name)
        if options.marts:
            sys.exit(0 if measure(folder, options.marts) else 1)
        sources, marts = (EmbeddedPostgres(folder / part) for part in ("sources", "marts"))
        with sources.running(), marts.running():
            land(sources.url("postgres"), marts.url("marts"), options.scale)
            sys.exit(0 if measure(folder, marts.url("marts")) else 1)


def land(server_url: str, marts_url: str, scale: str) -> None:
    bank = [sys.executable, "-m", "demo_bank"]
    seeding = [*bank, "seed", "--url", server_url, "--scale", scale]
    subprocess.run([*seeding, "--anchor", ANCHOR.isoformat()], check=True)
    urls = subprocess.run(
        [*bank, "environment", "--url", server_url], stdout=subprocess.PIPE, check=True
    ).stdout
    variables = {**os.environ, **json.loads(urls), "HEARTBEAT_DATABASE_URL": marts_url}
    heartbeat = [sys.executable, "-m", "heartbeat"]
    for command in ("migrate", "ingest"):
        subprocess.run([*heartbeat, command], env=variables, check=True)
    with psycopg.connect(marts_url, autocommit=True) as connection:
        connection.execute("vacuum analyze")


def measure(folder: Path, marts_url: str) -> bool:
    settings = settings_for(REPOSITORY, folder, marts_url)
    metrics = load_metrics(REPOSITORY / "metrics").metrics
    one_by_one = sequential(metrics, settings)
    print(f"{'31 values one after the other, in the database':<60} {one_by_one:8.2f} s")
    register(settings)
    first = step(metrics, settings, all_days=True)
    print(f"{'31 metrics with 90 past days each':<60} {first:8.2f} s")
    later = min(step(metrics, settings) for _ in range(ROUNDS))
    well = report(f"31 metrics, {later / one_by_one:.2f} x one by one", later, "s", "31 metrics")

    synthetic = settings_for(synthetic_project(folder), folder, marts_url)
    metrics = load_metrics(synthetic.project / "metrics").metrics
    register(synthetic)
    in_database = sequential(metrics, synthetic)
    engine = min(step(metrics, synthetic) for _ in range(ROUNDS))
    overhead = 1000 * (engine - in_database) / SYNTHETIC
    well &= report("300 synthetic metrics", engine, "s", "300 synthetic")
    well &= report("  overhead of the engine per metric", overhead, "ms", "overhead")
    in_dagster = dagster_step(synthetic)
    overhead = 1000 * (in_dagster - in_database) / SYNTHETIC
    well &= report("300 synthetic metrics as a Dagster step", in_dagster, "s", "300 synthetic")
    well &= report("  overhead with Dagster per metric", overhead, "ms", "overhead")
    return well


def settings_for(project: Path, folder: Path, marts_url: str) -> Settings:
    variables = {
        "HEARTBEAT_PROJECT": str(project),
        "HEARTBEAT_PLATFORM_METRICS": "off",
        "HEARTBEAT_HOME": str(folder / "home"),
        "HEARTBEAT_DATABASE_URL": marts_url,
    }
    os.environ.update(variables)
    settings = Settings.load()
    prepare_databases(settings)
    return settings


def synthetic_project(folder: Path) -> Path:
    project = folder / "synthetic"
    (project / "metrics").mkdir(parents=True)
    (project / "sources").symlink_to(REPOSITORY / "sources")
    for number in range(SYNTHETIC):
        text = METRIC.format(code=f"S{number:03}", number=number)
        (project / "metrics" / f"synthetic_{number}.sql").write_text(text, encoding="utf-8")
    return project


def register(settings: Settings) -> None:
    with psycopg.connect(settings.database_url) as connection:
        sync(connection, load_metrics(settings.project / "metrics"))


def sequential(metrics: tuple[Metric, ...], settings: Settings) -> float:
    """Seconds of all value statements on one connection, best of some rounds."""
    rounds = []
    patient = settings.model_copy(update={"statement_timeout": "10min"})
    with reading_as_of(patient, (), as_of=ANCHOR) as connection:
        for _ in range(ROUNDS):
            started = time.monotonic()
            for metric in metrics:
                connection.execute(metric.value_sql.encode()).fetchall()
            rounds.append(time.monotonic() - started)
    return min(rounds)


def step(metrics: tuple[Metric, ...], settings: Settings, *, all_days: bool = False) -> float:
    started = time.monotonic()
    run_id = f"benchmark {started}"
    outcomes = list(
        compute_and_store(metrics, settings, as_of=ANCHOR, run_id=run_id, all_days=all_days)
    )
    took = time.monotonic() - started
    failed = [outcome.error for outcome in outcomes if outcome.error]
    if failed:
        sys.exit(f"{len(failed)} metrics failed: {failed[0]}")
    return took


def dagster_step(settings: Settings) -> float:
    """Seconds between start and end of the step `compute_metrics`, its events in Postgres."""
    variables: Mapping[str, str] = environment(settings)
    os.environ.update(variables)
    write_dagster_home(settings)
    logging.disable(logging.CRITICAL)
    keys = refresh_job().asset_layer.executable_asset_keys
    with DagsterInstance.get() as instance:
        result = execute_job(
            reconstructable(refresh_job),
            instance,
            asset_selection=[key for key in keys if key.path[0] == "metric"],
        )
        (stats,) = instance.get_run_step_stats(result.run_id, ["compute_metrics"])
    assert stats.start_time is not None
    assert stats.end_time is not None
    return stats.end_time - stats.start_time


def refresh_job() -> JobDefinition:
    return code_location(Settings.load()).resolve_job_def("refresh")


def report(title: str, value: float, unit: str, bound: str) -> bool:
    limit = BOUNDS[bound]
    verdict = "" if value <= limit else "  BEYOND ITS BOUND"
    print(f"{title:<60} {value:8.2f} {unit:<3} (bound {limit:g}){verdict}")
    return value <= limit


if __name__ == "__main__":
    main()
