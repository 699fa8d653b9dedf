"""The run launcher that an instance names in its `dagster.yaml`."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from dagster import Array, DagsterInstance, DagsterRun, DagsterRunStatus, Field, Shape, StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._core.events import JobFailureData, RunFailureReason
from dagster._core.execution.stats import StepEventStatus
from dagster._core.instance import InstanceRef
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, RunLauncher, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._core.origin import RepositoryPythonOrigin
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import ConfigurableClass, deserialize_value, serialize_value
from dagster._serdes.config_class import ConfigurableClassData

from forkserver_launcher.file_signatures import Signatures, WatchedFolder
from forkserver_launcher.protocol import Ended, Load
from forkserver_launcher.server_handle import ForkServerError, ServerHandle
from forkserver_launcher.silent_workers import SilentWorkers
from forkserver_launcher.worker_lock import WorkerLocks

_logger = logging.getLogger(__name__)

_LOAD_SECONDS = 120.0
_LOOK_SECONDS = 2.0


class ForkServerRunLauncher(RunLauncher[DagsterInstance], ConfigurableClass):
    """Forks each run's worker from a process that has loaded the run's code location.

    The worker is of the machine, and has the environment, of the process that launches: the daemon.
    Where a worker cannot be forked, Dagster's default launcher launches the run, with a warning.
    """

    def __init__(
        self,
        watch: tuple[WatchedFolder, ...] = (),
        kill_after_seconds: float = 60.0,
        nice: int = 0,
        silent_seconds: float = 120.0,
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._watch = watch
        self._kill_after_seconds = kill_after_seconds
        self._nice = nice
        self._silent_looks = max(1, round(silent_seconds / _LOOK_SECONDS))
        self._inst_data = inst_data
        self._servers: dict[str, ServerHandle] = {}
        self._changing = threading.Lock()
        self._disposed = threading.Event()
        self._keeper = threading.Thread(target=self._keep_current, name="keep-current", daemon=True)

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """What Dagster makes the launcher anew from, in another process."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """What the instance may say of it.

        `watch`: files that the code reads while it is loaded, as patterns in a folder.
        `kill_after_seconds`: how long the worker of a cancelled run may go on.
        `nice`: by how much workers stand back from other processes, as the command `nice` has it.
        `silent_seconds`: how long a worker may give no sign of life before it is killed; one gives
        a sign each second, whatever its step does, unless it is stopped or native code holds it.
        """
        folder = Shape(  # type: ignore[no-untyped-call]
            {"folder": StringSource, "patterns": Array(str)}
        )
        return {
            "watch": Field(Array(folder), is_required=False, default_value=[]),
            "kill_after_seconds": Field(float, is_required=False, default_value=60.0),
            "nice": Field(int, is_required=False, default_value=0),
            "silent_seconds": Field(float, is_required=False, default_value=120.0),
        }

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> Self:
        """As `dagster.yaml` says."""
        watch = tuple(
            WatchedFolder(Path(each["folder"]), tuple(each["patterns"]))
            for each in config_value["watch"]
        )
        return cls(
            watch,
            config_value["kill_after_seconds"],
            config_value["nice"],
            config_value["silent_seconds"],
            inst_data,
        )

    def launch_run(self, context: LaunchRunContext) -> None:
        """Fork the run's worker; returns when it has its process."""
        run = context.dagster_run
        try:
            server = self._server(_repository_of(run))
            server.fork(run.run_id, self._instance.get_ref(), self._kill_after_seconds)
        except ForkServerError as reason:
            if self._locks.is_held(run.run_id):
                return  # the server went away with its answer, after it had forked
            warning = f"No worker could be forked, so the default launcher takes over: {reason}"
            _logger.warning("Run %s: %s", run.run_id, warning)
            self._instance.report_engine_event(warning, run, cls=type(self))
            self._default.launch_run(context)

    def terminate(self, run_id: str) -> bool:
        """Ask a run's worker to stop, wherever it is; it looks every second."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        if GRPC_INFO_TAG in run.tags:
            return bool(self._default.terminate(run_id))  # type: ignore[no-untyped-call]
        self._instance.report_run_canceling(run)
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: Dagster's run monitoring fails a run whose worker is gone."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the run's worker lives; knows it also when another process launched it."""
        if GRPC_INFO_TAG in run.tags:
            return self._health_at_code_server(run)
        with self._changing:
            self._start_keeper()  # also for workers that an earlier process has launched
        if self._locks.is_held(run.run_id):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        self._locks.forget(run.run_id)
        if self._silent.was_killed(run.run_id):
            return CheckRunHealthResult(WorkerStatus.FAILED, self._told_of_silence(run.run_id))
        return CheckRunHealthResult(WorkerStatus.FAILED, "the worker process is gone")

    def dispose(self) -> None:
        """Let go of the fork servers; each ends with its last worker."""
        self._disposed.set()
        with self._changing:
            for server in self._servers.values():
                server.retire()
            self._servers.clear()

    @cached_property
    def _locks(self) -> WorkerLocks:
        return WorkerLocks(self._locks_folder)

    @property
    def _locks_folder(self) -> Path:
        return Path(self._instance.root_directory) / "run_workers"

    @cached_property
    def _silent(self) -> SilentWorkers:
        return SilentWorkers(self._locks, self._silent_looks)

    def _told_of_silence(self, run_id: str) -> str:
        steps = [
            each.step_key
            for each in self._instance.get_run_step_stats(run_id)
            if each.status is StepEventStatus.IN_PROGRESS
        ]
        where = f" in step {', '.join(steps)}" if steps else ""
        return (
            f"The worker of run {run_id} gave no sign of life for "
            f"{self._silent_looks * _LOOK_SECONDS:g} s{where}, and was killed: it was stopped, or "
            "stuck in native code"
        )

    @cached_property
    def _default(self) -> DefaultRunLauncher:
        launcher = DefaultRunLauncher()
        launcher.register_instance(self._instance)
        return launcher

    def _server(self, origin: RepositoryPythonOrigin) -> ServerHandle:
        """The server of that repository, started when there is none of its present files."""
        if not hasattr(os, "fork"):
            raise ForkServerError("this operating system knows no fork")
        key = serialize_value(origin)
        with self._changing:
            known = self._servers.get(key)
            if known is not None and known.is_current():
                return known
            self._start_keeper()
            fresh = ServerHandle(
                Load(key, self._locks_folder, self._instance_modules(), self._nice),
                origin.executable_path or sys.executable,
                self._watch,
                load_seconds=_LOAD_SECONDS,
                when_ended=self._noticed_end,
            )
            self._servers[key] = fresh
        if known is not None:
            known.retire()
        return fresh

    def _start_keeper(self) -> None:
        if self._keeper.ident is None and not self._disposed.is_set():
            self._keeper.start()

    def _instance_modules(self) -> tuple[str, ...]:
        """The modules of the instance's storage, log manager and so on."""
        parts = (getattr(self._instance.get_ref(), field) for field in InstanceRef._fields)
        return tuple(
            sorted({part.module_name for part in parts if isinstance(part, ConfigurableClassData)})
        )

    def _keep_current(self) -> None:
        """Load changed files before a run waits for them, and tidy up after lost workers.

        Files that do not load are tried once.
        """
        refused: dict[str, tuple[Signatures, Signatures]] = {}
        while not self._disposed.wait(_LOOK_SECONDS):
            self._locks.forget_abandoned()
            for run_id, pid in self._silent.look().items():
                _logger.warning("Run %s: its silent worker %d was killed", run_id, pid)
            for key, server in list(self._servers.items()):
                if server.is_current() or (files := server.present_files()) == refused.get(key):
                    continue
                try:
                    self._server(deserialize_value(key, RepositoryPythonOrigin))
                except ForkServerError as reason:
                    refused[key] = files
                    _logger.warning("The changed code is not used: %s", reason)

    def _noticed_end(self, ended: Ended) -> None:
        if ended.exit_code:
            threading.Thread(target=self._report_end, args=[ended], daemon=True).start()

    def _report_end(self, ended: Ended) -> None:
        """Finish a run whose worker did not; run monitoring does it when this cannot."""
        try:
            run = self._instance.get_run_by_id(ended.run_id)
            if run is None or run.is_finished:
                return
            message = f"The worker process {ended.pid} {_in_words(ended.exit_code)}."
            if self._silent.was_killed(ended.run_id):
                message = self._told_of_silence(ended.run_id)
            if run.status is DagsterRunStatus.CANCELING:
                self._instance.report_run_canceled(run, message)
            else:
                unexpected = JobFailureData(None, RunFailureReason.UNEXPECTED_TERMINATION)
                self._instance.report_run_failed(run, message, unexpected)
        except Exception:
            _logger.warning(
                "The end of run %s's worker cannot be reported now", ended.run_id, exc_info=True
            )

    def _health_at_code_server(self, run: DagsterRun) -> CheckRunHealthResult:
        client = self._default._get_grpc_client_for_termination(  # type: ignore[no-untyped-call]
            run.run_id
        )
        if client is None:
            return CheckRunHealthResult(WorkerStatus.UNKNOWN, "the run has ended")
        try:
            answer = client.can_cancel_execution(
                CanCancelExecutionRequest(run_id=run.run_id), timeout=5
            )
        except Exception as error:  # noqa: BLE001 - whatever keeps it from answering, it is away
            return CheckRunHealthResult(
                WorkerStatus.FAILED, f"the code server does not answer: {error}"
            )
        if deserialize_value(answer, CanCancelExecutionResult).can_cancel:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "the code server does not know the run")


def _repository_of(run: DagsterRun) -> RepositoryPythonOrigin:
    if run.job_code_origin is None:
        raise ForkServerError("the run does not say where its code is")
    return run.job_code_origin.repository_origin


def _in_words(exit_code: int) -> str:
    if exit_code < 0:
        return f"was killed by {signal.Signals(-exit_code).name}"
    return f"ended with exit code {exit_code} before the run had ended"
