"""What loading the code location costs: 200 tables, 31 metrics, no database, a fresh interpreter.

Every figure is CPU seconds of the whole process, the median of interleaved rounds; the baseline is
an interpreter that imports only the libraries.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 5
TABLES = 200
METRICS = 31

MEASURED = {
    "libraries only": "import dagster, dagster_dlt, dlt",
    "code location": "import heartbeat_assets.definitions",
}
METRIC = """\
/* ---
code: M{number:03}
name: Metric {number}
short_name: Metric {number}
period: snapshot
unit: count
direction: lower_is_better
kind: threshold
--- */
-- name: value
with recent as (select * from bank_core.t{number} where c1 > 10)
select count(*) from recent join bank_core.t{other} using (c0)
"""


def write_project(folder: Path) -> None:
    """A source with a catalog of TABLES tables, and METRICS metrics that read two of them each."""
    for name in ("sources", "metrics"):
        (folder / name).mkdir()
    (folder / "sources" / "bank.yaml").write_text(
        "kind: postgres\nconnection_env: SOURCE_BANK_URL\nschemas: [core]\n"
    )
    columns = [
        {
            "name": f"c{number}",
            "landed_as": f"c{number}",
            "source_type": "bigint",
            "landed_type": "bigint",
            "nullable": number > 0,
        }
        for number in range(12)
    ]
    tables = [
        {
            "schema_name": "core",
            "name": f"t{number}",
            "landed_as": f"t{number}",
            "columns": columns,
            "primary_key": ["c0"],
            "write": "replace",
            "reason": "has a key and no cursor",
        }
        for number in range(TABLES)
    ]
    (folder / "sources" / "bank.catalog.json").write_text(json.dumps({"tables": tables}))
    for number in range(METRICS):
        text = METRIC.format(number=number, other=number + 100)
        (folder / "metrics" / f"metric_{number}.sql").write_text(text)


def cpu_seconds(statement: str, folder: Path) -> float:
    """CPU seconds of a fresh interpreter that runs one statement in the project's environment."""
    script = f"{statement}\nimport time\nprint(time.process_time())"
    environment = os.environ | {
        "HEARTBEAT_PROJECT": str(folder),
        "HEARTBEAT_PLATFORM_METRICS": "off",
        "HEARTBEAT_HOME": str(folder / "home"),
        "HEARTBEAT_DATABASE_URL": "postgresql://nobody:x@127.0.0.1:1/nowhere",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_project(folder)
        seconds: dict[str, list[float]] = {title: [] for title in MEASURED}
        for _ in range(ROUNDS):
            for title, statement in MEASURED.items():
                seconds[title].append(cpu_seconds(statement, folder))
    baseline = statistics.median(seconds["libraries only"])
    print(f"| {TABLES} tables, {METRICS} metrics | CPU s, median | min - max | ratio |")
    print("|---|---|---|---|")
    for title, values in seconds.items():
        median = statistics.median(values)
        spread = f"{min(values):.2f} - {max(values):.2f}"
        print(f"| {title} | {median:.2f} | {spread} | {median / baseline:.2f} |")


if __name__ == "__main__":
    main()
