"""Runs that a stopped stack left behind: nothing works on them, yet they hold the queue."""

import sys

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

_IN_A_WORKER = [
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def fail_abandoned_runs(instance: DagsterInstance) -> list[str]:
    """Fail every run that has a worker; only for a moment when no worker can be alive.

    Queued runs stay queued. Returns the ids of the failed runs.
    """
    abandoned = instance.get_runs(RunsFilter(statuses=_IN_A_WORKER))
    for run in abandoned:
        instance.report_run_failed(run, "Heartbeat was stopped while this run was going on.")
    return [run.run_id for run in abandoned]


if __name__ == "__main__":
    with DagsterInstance.get() as current:
        for run_id in fail_abandoned_runs(current):
            sys.stdout.write(f"Run {run_id} was left behind by an earlier stop: marked as failed\n")
