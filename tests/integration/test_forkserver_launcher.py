"""The run launcher on a Dagster project that has nothing to do with Heartbeat."""

import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.launcher import WorkerStatus
from dagster._core.storage.compute_log_manager import ComputeIOType
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget, GrpcServerTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration
from dagster._grpc.client import DagsterGrpcClient

from forkserver_launcher.silent_workers import SilentWorkers
from forkserver_launcher.worker_lock import WorkerLocks, write_holder

PATIENCE_SECONDS = 120
DAGSTER_YAML = """\
telemetry: {{enabled: false}}
run_monitoring: {{enabled: true, start_timeout_seconds: 5, cancel_timeout_seconds: 5}}
run_launcher:
  module: forkserver_launcher.launcher
  class: ForkServerRunLauncher
  config:
    kill_after_seconds: 1.0
    silent_seconds: {silent_seconds}
    watch:
      - {{folder: {project}, patterns: ["prices/*.txt"]}}
"""
DEFINITIONS = """\
import ctypes, signal, time, uuid
from pathlib import Path
from dagster import Definitions, asset, in_process_executor
import rules

HERE = Path(__file__).parent
LOADED = uuid.uuid4().hex
PRICES = sorted(path.read_text() for path in (HERE / "prices").glob("*.txt"))

@asset
def shop(context):
    print("sold by", rules.NAME)
    if (HERE / "deaf").exists():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    (HERE / "begun").touch()
    if (HERE / "stuck").exists():
        ctypes.PyDLL(None).pause()
    try:
        while (HERE / "wait").exists():
            time.sleep(0.02)
    finally:
        (HERE / "tidied").touch()
    (HERE / "told").write_text(f"{LOADED} {rules.NAME} {' '.join(PRICES)}")

defs = Definitions(assets=[shop], executor=in_process_executor)
"""


class Shop:
    """A project of one asset, on an instance whose runs are forked."""

    def __init__(self, folder: Path, silent_seconds: float = 600.0) -> None:
        self.folder = folder / "shop"
        self.home = folder / "dagster"
        (self.folder / "prices").mkdir(parents=True)
        self.home.mkdir()
        (self.home / "dagster.yaml").write_text(
            DAGSTER_YAML.format(project=self.folder, silent_seconds=silent_seconds)
        )
        self.definitions.write_text(DEFINITIONS)
        self.writes("rules.py", "NAME = 'Ann'")
        self.writes("prices/a.txt", "1.50")
        self.instance = DagsterInstance.from_config(str(self.home))

    @property
    def definitions(self) -> Path:
        return self.folder / "definitions.py"

    def writes(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def is_to(self, name: str) -> None:
        (self.folder / name).touch()

    def has(self, name: str) -> bool:
        return (self.folder / name).exists()

    def created(self) -> str:
        """A run that is about to be launched."""
        repository = ReconstructableRepository.for_file(
            str(self.definitions), "defs", str(self.folder)
        )
        sys.path.insert(0, str(self.folder))
        try:
            job = repository.get_definition().get_implicit_global_asset_job_def()
        finally:
            sys.path.remove(str(self.folder))
        origin = repository.get_reconstructable_job(job.name).get_python_origin()
        return self.instance.create_run_for_job(job_def=job, job_code_origin=origin).run_id

    def launches(self) -> str:
        run_id = self.created()
        self.instance.launch_run(run_id, None)  # type: ignore[arg-type] # only a code server needs it
        return run_id

    def run(self, run_id: str) -> DagsterRun:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run

    def ends(self, run_id: str) -> DagsterRunStatus:
        wait_until(lambda: self.run(run_id).is_finished)
        return self.run(run_id).status

    def sells(self) -> list[str]:
        """One whole run; returns which load, which name and which prices it saw."""
        assert self.ends(self.launches()) is DagsterRunStatus.SUCCESS
        return (self.folder / "told").read_text().split(" ")

    def begins(self) -> str:
        """A run that waits in its asset."""
        self.is_to("wait")
        run_id = self.launches()
        wait_until(lambda: self.has("begun"))
        return run_id

    def goes_on(self) -> None:
        (self.folder / "wait").unlink()

    def messages(self, run_id: str) -> str:
        return "\n".join(
            f"{entry.message} {entry.dagster_event.message if entry.dagster_event else ''}"
            for entry in self.instance.all_logs(run_id)
        )

    @contextmanager
    def workspace(self) -> Iterator[WorkspaceProcessContext]:
        """The project in a code server, as the daemon sees it."""
        socket = str(self.home / "code.sock")
        command = ["-m", "dagster", "api", "grpc", "--socket", socket, "-d", str(self.folder)]
        server = subprocess.Popen(
            [sys.executable, *command, "-f", str(self.definitions), "--location-name", "shop"]
        )
        target = GrpcServerTarget("localhost", None, socket, "shop")
        client = DagsterGrpcClient(socket=socket)
        try:
            wait_until(lambda: client.health_check_query() == "SERVING")  # type: ignore[no-untyped-call]
            with WorkspaceProcessContext(self.instance, target) as process:
                yield process
        finally:
            server.terminate()
            server.wait()

    def workers(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if self.lives(process)]

    def lives(self, process: psutil.Process) -> bool:
        try:
            return (
                process.pid != os.getpid()
                and process.status() != psutil.STATUS_ZOMBIE
                and "forkserver_launcher.server" in process.cmdline()
                and process.environ().get("SHOP") == str(self.folder)
            )
        except psutil.Error:
            return False

    def locks(self) -> list[Path]:
        return list((self.home / "run_workers").glob("*.worker"))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("SHOP", str(tmp_path / "shop"))
    made = Shop(tmp_path)
    with made.instance:
        yield made
    (made.folder / "wait").unlink(missing_ok=True)
    wait_until(lambda: made.workers() == [])


def worker_of(shop: Shop, run_id: str) -> psutil.Process:
    written = (shop.home / "run_workers" / f"{run_id}.worker").read_text()
    return psutil.Process(int(written.split()[0]))


def test_runs_share_one_load_of_the_code(shop: Shop) -> None:
    first, second = shop.sells(), shop.sells()
    assert first == second
    assert first[1:] == ["Ann", "1.50"]


def test_what_a_step_prints_is_in_its_log(shop: Shop) -> None:
    run_id = shop.launches()
    assert shop.ends(run_id) is DagsterRunStatus.SUCCESS
    keys = shop.instance.compute_log_manager.get_log_keys_for_log_key_prefix(
        [run_id, "compute_logs"], ComputeIOType.STDOUT
    )
    logs = [shop.instance.compute_log_manager.get_log_data(key).stdout for key in keys]
    assert [log for log in logs if log is not None] == [b"sold by Ann\n"]


def test_the_next_run_sees_what_was_changed(shop: Shop) -> None:
    loads = [shop.sells()]
    shop.writes("rules.py", "NAME = 'Bob'")
    loads.append(shop.sells())
    shop.writes("prices/a.txt", "1.60")
    loads.append(shop.sells())
    shop.writes("prices/b.txt", "2.00")
    loads.append(shop.sells())
    (shop.folder / "prices/a.txt").unlink()
    loads.append(shop.sells())
    assert [seen for _, *seen in loads] == [
        ["Ann", "1.50"],
        ["Bob", "1.50"],
        ["Bob", "1.60"],
        ["Bob", "1.60", "2.00"],
        ["Bob", "2.00"],
    ]
    assert len({load for load, *_ in loads}) == len(loads)
    assert shop.sells() == loads[-1]


def test_a_running_worker_keeps_the_code_that_it_has(shop: Shop) -> None:
    running = shop.begins()
    shop.writes("rules.py", "NAME = 'Bob'")
    later = shop.launches()
    wait_until(lambda: len(shop.workers()) == 4)
    shop.goes_on()
    assert shop.ends(running) is DagsterRunStatus.SUCCESS
    assert shop.ends(later) is DagsterRunStatus.SUCCESS
    wait_until(lambda: len(shop.workers()) == 1)


def test_changed_code_is_loaded_before_a_run_asks_for_it(shop: Shop) -> None:
    shop.sells()
    (before,) = shop.workers()
    shop.writes("rules.py", "NAME = 'Bob'")
    wait_until(lambda: [each.pid for each in shop.workers()] not in ([], [before.pid]))
    wait_until(lambda: len(shop.workers()) == 1)
    assert shop.sells()[1] == "Bob"


def test_a_cancelled_run_is_interrupted_and_tidies_up(shop: Shop) -> None:
    run_id = shop.begins()
    assert shop.instance.run_launcher.terminate(run_id)
    assert shop.ends(run_id) is DagsterRunStatus.CANCELED
    assert shop.has("tidied")
    wait_until(lambda: shop.locks() == [])
    assert not shop.instance.run_launcher.terminate(run_id)


def test_a_cancelled_run_that_does_not_listen_is_killed(shop: Shop) -> None:
    shop.is_to("deaf")
    run_id = shop.begins()
    worker = worker_of(shop, run_id)
    assert shop.instance.run_launcher.terminate(run_id)
    assert shop.ends(run_id) is DagsterRunStatus.CANCELED
    wait_until(lambda: not worker.is_running())
    assert not shop.has("tidied")


def test_a_killed_worker_fails_its_run_at_once_and_says_why(shop: Shop) -> None:
    run_id = shop.begins()
    worker = worker_of(shop, run_id)
    worker.kill()
    assert shop.ends(run_id) is DagsterRunStatus.FAILURE
    assert f"The worker process {worker.pid} was killed by SIGKILL" in shop.messages(run_id)
    assert shop.run(run_id).tags["dagster/failure_reason"] == "UNEXPECTED_TERMINATION"
    assert shop.locks() == []
    shop.goes_on()
    shop.sells()


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop whose workers are killed after a few looks without a sign of life."""
    monkeypatch.setenv("SHOP", str(tmp_path / "shop"))
    made = Shop(tmp_path, silent_seconds=8.0)
    with made.instance:
        yield made
    (made.folder / "wait").unlink(missing_ok=True)
    wait_until(lambda: made.workers() == [])


def has_ended(process: psutil.Process) -> bool:
    """A process whose parent is gone may stay a zombie."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def told_of_silence(run_id: str) -> str:
    return (
        f"The worker of run {run_id} gave no sign of life for 8 s in step shop, and was killed: "
        "it was stopped, or stuck in native code"
    )


def test_a_stopped_worker_is_killed_and_named_and_the_next_run_goes_on(impatient: Shop) -> None:
    run_id = impatient.begins()
    worker = worker_of(impatient, run_id)
    worker.suspend()
    assert impatient.ends(run_id) is DagsterRunStatus.FAILURE
    assert told_of_silence(run_id) in impatient.messages(run_id)
    wait_until(lambda: has_ended(worker))
    impatient.goes_on()
    impatient.sells()


def test_a_worker_that_is_stuck_in_native_code_is_killed_and_named(impatient: Shop) -> None:
    impatient.is_to("stuck")
    run_id = impatient.begins()
    assert impatient.ends(run_id) is DagsterRunStatus.FAILURE
    assert told_of_silence(run_id) in impatient.messages(run_id)


def test_a_stopped_worker_of_an_earlier_launcher_is_killed_too(impatient: Shop) -> None:
    run_id = launched_by_a_process_that_is_killed(impatient)
    worker = worker_of(impatient, run_id)
    worker.suspend()
    with WorkspaceProcessContext(impatient.instance, EmptyWorkspaceTarget()) as workspace:

        def polled() -> bool:
            list(execute_run_monitoring_iteration(workspace, logging.getLogger()))
            return impatient.run(run_id).is_finished

        wait_until(polled)
    assert told_of_silence(run_id) in impatient.messages(run_id)
    wait_until(lambda: has_ended(worker))


def test_a_stopped_fork_server_is_killed_and_the_next_run_gets_another(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forkserver_launcher.server_handle._FORK_SECONDS", 2.0)
    shop.sells()
    (server,) = shop.workers()
    server.suspend()
    run_id = shop.created()
    with pytest.raises(Exception, match="workspace"):  # the default launcher has none in this test
        shop.instance.launch_run(run_id, None)  # type: ignore[arg-type]
    assert "the fork server does not answer" in shop.messages(run_id)
    wait_until(lambda: has_ended(server))
    shop.sells()


def test_silence_is_counted_by_looks_so_that_a_pause_of_the_machine_kills_nobody(
    tmp_path: Path,
) -> None:
    locks = WorkerLocks(tmp_path)
    silent = SilentWorkers(locks, most_looks=3)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as worker:
        descriptor = locks.take("run")
        write_holder(descriptor, worker.pid)
        for _ in range(3):
            assert silent.look() == {}
        os.pwrite(descriptor, f"{worker.pid} 1".encode(), 0)  # after a pause, however long
        for _ in range(3):
            assert silent.look() == {}
        assert worker.poll() is None
        assert silent.look() == {"run": worker.pid}
        assert worker.wait() == -signal.SIGKILL
    os.close(descriptor)


LAUNCH_AND_DIE = """
import os, signal, sys
from dagster import DagsterInstance
with DagsterInstance.from_config(sys.argv[1]) as instance:
    instance.launch_run(sys.argv[2], None)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def launched_by_a_process_that_is_killed(shop: Shop) -> str:
    shop.is_to("wait")
    run_id = shop.created()
    command = [sys.executable, "-c", LAUNCH_AND_DIE, str(shop.home), run_id]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    wait_until(lambda: shop.has("begun"))
    return run_id


def test_a_run_goes_on_when_who_launched_it_is_killed(shop: Shop) -> None:
    run_id = launched_by_a_process_that_is_killed(shop)
    wait_until(lambda: [each.pid for each in shop.workers()] == [worker_of(shop, run_id).pid])
    health = shop.instance.run_launcher.check_run_worker_health(shop.run(run_id))
    assert health.status is WorkerStatus.RUNNING
    shop.goes_on()
    assert shop.ends(run_id) is DagsterRunStatus.SUCCESS
    wait_until(lambda: shop.locks() == [])


def test_the_monitor_fails_a_run_that_was_lost_with_who_launched_it(shop: Shop) -> None:
    run_id = launched_by_a_process_that_is_killed(shop)
    worker_of(shop, run_id).kill()
    with WorkspaceProcessContext(shop.instance, EmptyWorkspaceTarget()) as workspace:

        def polled() -> bool:
            assert list(execute_run_monitoring_iteration(workspace, logging.getLogger())) == [None]
            return shop.run(run_id).is_finished

        wait_until(polled)
    assert shop.run(run_id).status is DagsterRunStatus.FAILURE
    assert "the worker process is gone" in shop.messages(run_id)
    assert shop.locks() == []


def test_what_lost_workers_left_behind_goes_and_what_is_held_stays(shop: Shop) -> None:
    run_id = shop.begins()
    for process in shop.workers():
        process.kill()  # the server too, so that nobody sees the worker end
    shop.instance.report_run_canceled(shop.run(run_id))  # nor does the monitor look at it
    locks = shop.home / "run_workers"
    (locks / "just-made.worker").touch()
    os.utime(locks / "just-made.worker", times=(time.time() + 3600,) * 2)
    with (locks / "alive.worker").open("w") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        os.utime(alive.fileno(), times=(0, 0))
        assert f"{run_id}.worker" in {path.name for path in shop.locks()}
        wait_until(lambda: len(shop.locks()) == 2)
        assert {path.stem for path in shop.locks()} == {"just-made", "alive"}


def test_a_cancelled_run_goes_on_being_cancellable_from_another_process(shop: Shop) -> None:
    run_id = launched_by_a_process_that_is_killed(shop)
    assert shop.instance.run_launcher.terminate(run_id)
    assert shop.ends(run_id) is DagsterRunStatus.CANCELED


def test_where_nothing_can_be_forked_the_default_launcher_takes_over(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = via_code_server(shop, monkeypatch, lambda: monkeypatch.delattr(os, "fork"))
    assert shop.ends(run_id) is DagsterRunStatus.SUCCESS
    assert "this operating system knows no fork" in shop.messages(run_id)
    assert "the default launcher takes over" in caplog.text


def test_code_that_cannot_be_loaded_is_told_in_the_run(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shop.sells()
    run_id = via_code_server(shop, monkeypatch, lambda: shop.writes("rules.py", "NAME = "))
    assert shop.ends(run_id) is DagsterRunStatus.FAILURE
    assert "SyntaxError" in shop.messages(run_id)
    assert caplog.text.count("The changed code is not used") <= 1
    shop.writes("rules.py", "NAME = 'Cyd'")
    assert shop.sells()[1] == "Cyd"


def via_code_server(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, before: Callable[[], object]
) -> str:
    """A run that is launched in a workspace whose code server has loaded the project."""
    monkeypatch.syspath_prepend(str(shop.folder))
    with shop.workspace() as process:
        workspace = process.create_request_context()
        (location,) = workspace.code_locations
        (repository,) = location.get_repositories().values()
        job = repository.get_full_job("__ASSET_JOB")
        repo = ReconstructableRepository.for_file(str(shop.definitions), "defs", str(shop.folder))
        run = shop.instance.create_run_for_job(
            job_def=repo.get_definition().get_implicit_global_asset_job_def(),
            job_code_origin=job.get_python_origin(),
            remote_job_origin=job.get_remote_origin(),
        )
        before()
        shop.instance.launch_run(run.run_id, workspace)
        shop.ends(run.run_id)
        return run.run_id


def test_many_runs_leave_nothing_behind(shop: Shop) -> None:
    """Processes, threads, descriptors, lock files and memory; `make soak` makes 500 runs."""
    runs = 500 if os.environ.get("HEARTBEAT_SOAK") else 8
    shop.sells()
    (server,) = shop.workers()
    here = psutil.Process()
    wait_until(lambda: len(shop.workers()) == 1)
    before = (server.num_fds(), server.num_threads(), here.num_threads())
    memory = server.memory_info().rss
    for _ in range(runs):
        shop.sells()
    wait_until(lambda: len(shop.workers()) == 1)
    assert (server.num_fds(), server.num_threads(), here.num_threads()) == before
    assert server.num_threads() == 1
    assert server.memory_info().rss < memory * 1.1
    assert shop.locks() == []


def test_the_servers_end_with_the_instance(shop: Shop) -> None:
    shop.sells()
    shop.instance.dispose()
    wait_until(lambda: shop.workers() == [])
