"""`heartbeat up`: the whole stack in the foreground, until Ctrl-C."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import httpx
from rich.console import Console

from forkserver_launcher.worker_lock import WorkerLocks, stop_workers
from heartbeat.database import prepare_databases
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.errors import HeartbeatError
from heartbeat.refresh.dagster_client import DagsterClient
from heartbeat.settings import Settings
from heartbeat.stack.first_runs import FirstRuns
from heartbeat.stack.preflight import check_before_start
from heartbeat.stack.process import DAEMON, environment, processes, write_dagster_home
from heartbeat.stack.supervisor import Program, Supervisor

_MARTS = "marts"
_DEMO_SERVERS = {"--url": "demo-sources-a", "--other-url": "demo-sources-b"}
_DEMO_BANK = (sys.executable, "-m", "demo_bank")
_READY_SECONDS = 120
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STANDING_BACK = ("nice", "-n", "5")
"""A database that computes must not keep the processor from the servers of the screens."""


class StackError(HeartbeatError):
    """The stack does not come up."""


class Stack:
    """One `heartbeat up`: starts everything in order, waits, stops everything in reverse."""

    def __init__(self, settings: Settings, console: Console) -> None:
        self._settings = settings
        self._console = console
        self._environment = dict(environment(settings))
        self._servers = (
            {_MARTS: settings.embedded_postgres} if settings.explicit_database_url is None else {}
        )
        self._living: list[Program] = []
        self._dagster = DagsterClient(settings.dagster_url)

    def run(self) -> None:
        """Run on the sources of the environment until a signal; raises a HeartbeatError."""
        self._check()
        self._run(lambda: None)

    def run_demo(self, bank_arguments: Sequence[str]) -> None:
        """Run with the simulated bank: its two clusters on embedded servers, and its ticker."""
        self._check()
        urls: list[str] = []
        for option, name in _DEMO_SERVERS.items():
            self._servers[name] = EmbeddedPostgres(self._settings.home / name)
            urls += [option, self._servers[name].url("postgres")]
        cluster_a = urls[:2]
        addresses = subprocess.run(
            [*_DEMO_BANK, "environment", *cluster_a], check=True, stdout=subprocess.PIPE
        )
        self._environment.update(json.loads(addresses.stdout))
        self._living = [Program("demo-bank", [*_DEMO_BANK, "tick", *cluster_a], 2)]
        self._run(lambda: self._seed(cluster_a[1], [*urls, *bank_arguments]))

    def _check(self) -> None:
        check_before_start(self._settings, processes(self._settings))

    def _run(self, prepare_sources: Callable[[], None]) -> None:
        for name, server in self._servers.items():
            self._say(f"Preparing the embedded Postgres for {name}")
            server.prepare()
        write_dagster_home(self._settings)
        supervisor = Supervisor(self._settings.home, self.programs())
        with self._until_signal(supervisor):
            supervisor.start(self._environment)
            self._start_databases(supervisor)
            prepare_sources()
            self._start_processes(supervisor)
            self._announce()
            goes_on = partial(_goes_on, supervisor)
            FirstRuns(self._settings, self._console, goes_on=goes_on).run()
            self._say("Up to date. Ctrl-C stops everything.")
            while supervisor.running:
                supervisor.check()
                time.sleep(1)
            raise StackError(f"supervisord has ended; see {self._settings.home / 'logs'}")

    def programs(self) -> list[Program]:
        """What supervisord keeps up: the embedded servers, then Heartbeat's own processes."""
        databases = [
            Program(
                name,
                [*_STANDING_BACK, *server.command()],
                1,
                stop_signal="INT",
                user=server.system_user,
            )
            for name, server in self._servers.items()
        ]
        serve = [sys.executable, "-m", "heartbeat", "serve"]
        own = [
            Program(process.name, [*serve, process.name], 2)
            for process in processes(self._settings)
        ]
        return [*databases, *own, *self._living]

    def _start_databases(self, supervisor: Supervisor) -> None:
        for name in self._servers:
            supervisor.start_program(name)
        for name, server in self._servers.items():
            self._wait(f"Starting Postgres for {name}", server.answers, supervisor)
        self._say("Preparing the databases")
        prepare_databases(self._settings)

    def _seed(self, bank_url: str, arguments: Sequence[str]) -> None:
        self._say("Filling the simulated bank")
        # where the command demo_bank looks for the bank that runs here
        (self._settings.home / "demo_bank.url").write_text(bank_url, encoding="utf-8")
        if subprocess.run([*_DEMO_BANK, "ensure", *arguments], check=False).returncode:
            raise StackError("the simulated bank could not be filled; its message is above")

    def _start_processes(self, supervisor: Supervisor) -> None:
        self._say("Starting the processes")
        for process in processes(self._settings):
            supervisor.start_program(process.name)
        for program in self._living:
            supervisor.start_program(program.name)
        self._wait("Starting the cockpit", self._api_answers, supervisor)
        self._wait("Loading the code location", self._dagster.loaded, supervisor)

    def _announce(self) -> None:
        self._console.print(
            f"\n  Cockpit  http://127.0.0.1:{self._settings.api_port}/"
            f"\n  Dagster  http://127.0.0.1:{self._settings.dagster_port}/\n",
            highlight=False,
        )

    def _api_answers(self) -> bool:
        try:
            address = f"http://127.0.0.1:{self._settings.api_port}/healthz"
            return httpx.get(address, timeout=5).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def _wait(self, title: str, ready: Callable[[], bool], supervisor: Supervisor) -> None:
        self._say(title)
        deadline = time.monotonic() + _READY_SECONDS
        while not ready():
            supervisor.check()
            if time.monotonic() > deadline:
                raise StackError(
                    f"{title}: not done after {_READY_SECONDS} s; "
                    f"see the logs in {self._settings.home / 'logs'}"
                )
            time.sleep(0.2)

    @contextmanager
    def _until_signal(self, supervisor: Supervisor) -> Iterator[None]:
        for number in _STOP_SIGNALS:
            signal.signal(number, signal.default_int_handler)
        try:
            yield
        except KeyboardInterrupt:
            self._say("Stopping")
        finally:
            for number in _STOP_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            self._stop(supervisor)

    def _stop(self, supervisor: Supervisor) -> None:
        """End the runs while the databases can still hear of it, then everything else."""
        if supervisor.running:
            supervisor.stop_program(DAEMON)
            stop_workers(WorkerLocks(self._settings.run_workers))
        supervisor.stop()

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False)


def _goes_on(supervisor: Supervisor) -> bool:
    """True; raises ProcessDiedError when a process has been given up."""
    supervisor.check()
    return True
