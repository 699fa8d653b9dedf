"""One run in a process of its own."""

import logging
import os
import signal
import threading

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.events import EngineEventData
from dagster._core.instance import InstanceRef
from dagster._core.origin import JobPythonOrigin
from dagster._grpc.impl import core_execute_run
from dagster._utils import send_interrupt
from dagster._utils.hosted_user_process import recon_job_from_origin
from dagster._utils.interrupts import capture_interrupts

from forkserver_launcher.worker_lock import WorkerLocks

_logger = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
_BEAT_SECONDS = 1.0
_NO_LONGER_WANTED = (
    DagsterRunStatus.CANCELING,
    DagsterRunStatus.CANCELED,
    DagsterRunStatus.FAILURE,
)


def execute(
    run_id: str, instance_ref: InstanceRef, locks: WorkerLocks, kill_after_seconds: float
) -> None:
    """Carry out a run; what goes wrong is in its events.

    It gives a sign of life each second. A cancelled run is interrupted, and killed when that many
    seconds later it still goes on.
    """
    ended = threading.Event()
    beating = (locks, run_id, ended)
    threading.Thread(target=_beat, args=beating, name="beat", daemon=True).start()
    with capture_interrupts(), DagsterInstance.from_ref(instance_ref) as instance:
        run = instance.get_run_by_id(run_id)
        if run is None or run.job_code_origin is None:
            raise RuntimeError(f"run {run_id} is not there, or does not say where its code is")
        pid = os.getpid()
        instance.report_engine_event(
            f"Started process for run (pid: {pid}).", run, EngineEventData.in_process(pid)
        )
        watch = (instance, run_id, ended, kill_after_seconds)
        threading.Thread(target=_watch, args=watch, name="cancellation", daemon=True).start()
        try:
            _execute(instance, run, run.job_code_origin)
        finally:
            ended.set()


def _execute(instance: DagsterInstance, run: DagsterRun, origin: JobPythonOrigin) -> None:
    for _ in core_execute_run(recon_job_from_origin(origin), run, instance, inject_env_vars=True):
        pass


def _beat(locks: WorkerLocks, run_id: str, ended: threading.Event) -> None:
    number = 0
    while not ended.wait(_BEAT_SECONDS):
        number += 1
        try:
            locks.beat(run_id, number)
        except OSError:
            _logger.warning("Run %s: no sign of life can be left", run_id, exc_info=True)


def _watch(
    instance: DagsterInstance, run_id: str, ended: threading.Event, kill_after_seconds: float
) -> None:
    while not ended.wait(_POLL_SECONDS):
        if _no_longer_wanted(instance, run_id):
            send_interrupt()
            if not ended.wait(kill_after_seconds):
                os.kill(os.getpid(), signal.SIGKILL)
            return


def _no_longer_wanted(instance: DagsterInstance, run_id: str) -> bool:
    try:
        run = instance.get_run_by_id(run_id)
    except Exception:
        _logger.warning("Run %s cannot be looked up; asking again", run_id, exc_info=True)
        return False
    return run is None or run.status in _NO_LONGER_WANTED
