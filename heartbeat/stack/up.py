"""`heartbeat up`: the whole stack in the foreground, until Ctrl-C."""

import http.client
import json
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import httpx
from rich.console import Console

from forkserver_launcher.worker_lock import WorkerLocks, stop_workers
from heartbeat.database import prepare_databases
from heartbeat.embedded_postgres import EmbeddedPostgres
from heartbeat.errors import HeartbeatError
from heartbeat.refresh.dagster_client import DagsterClient
from heartbeat.settings import Settings
from heartbeat.stack.daemon_lock import holder_of, session_name
from heartbeat.stack.first_runs import FirstRuns, outcome_line
from heartbeat.stack.guard import Guarded
from heartbeat.stack.living import end_stack, only_up
from heartbeat.stack.preflight import check_home, check_ports
from heartbeat.stack.process import DAEMON, environment, processes, write_dagster_home
from heartbeat.stack.process_lock import MARTS, LockFolder
from heartbeat.stack.process_secrets import without_secrets
from heartbeat.stack.supervisor import Program, Supervisor

_DEMO_SERVERS = {"--url": "demo-sources-a", "--other-url": "demo-sources-b"}
_DEMO_BANK = (sys.executable, "-m", "demo_bank")
_READY_SECONDS = 120
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STANDING_BACK = 5
"""A database that computes must not keep the processor from the servers of the screens."""
_LOOK_SECONDS = 1.0
_STOP_SECONDS = 90.0
"""Longer than each stage takes at most."""


class StackError(HeartbeatError):
    """The stack does not come up."""


class Stack:
    """One `heartbeat up`: starts everything in order, waits, stops everything in reverse."""

    def __init__(self, settings: Settings, console: Console) -> None:
        self._settings = settings
        self._console = console
        self._environment = dict(environment(settings))
        self._servers = (
            {MARTS: settings.embedded_postgres} if settings.explicit_database_url is None else {}
        )
        self._living: list[Guarded] = []
        self._locks = LockFolder(settings.home)
        self._dagster = DagsterClient.of(settings)

    def run(self) -> None:
        """Run on the sources of the environment until a signal; raises a HeartbeatError."""
        with self._alone():
            self._run(lambda: None)

    def run_demo(self, bank_arguments: Sequence[str]) -> None:
        """Run with the simulated bank: its two clusters on embedded servers, and its ticker."""
        with self._alone():
            urls: list[str] = []
            for option, name in _DEMO_SERVERS.items():
                self._servers[name] = EmbeddedPostgres(self._settings.home / name)
                urls += [option, self._servers[name].url("postgres")]
            cluster_a = urls[:2]
            addresses = subprocess.run(
                [*_DEMO_BANK, "environment", *cluster_a], check=True, stdout=subprocess.PIPE
            )
            self._environment.update(json.loads(addresses.stdout))
            # who tries Heartbeat on a machine of their own writes without a login
            self._environment.setdefault("HEARTBEAT_LOOPBACK_WRITES", "yes")
            self._living = [self._guarded("demo-bank", (*_DEMO_BANK, "tick", *cluster_a))]
            self._run(lambda: self._seed(cluster_a[1], [*urls, *bank_arguments]))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Be the one `heartbeat up` of the state folder, with nothing left of an earlier one."""
        check_home(self._settings)
        with only_up(self._locks):
            end_stack(self._settings, self._say)
            check_ports(self._settings, processes(self._settings))
            yield

    def _run(self, prepare_sources: Callable[[], None]) -> None:
        for name, server in self._servers.items():
            self._say(f"Preparing the embedded Postgres for {name}")
            server.prepare()
        write_dagster_home(self._settings)
        with _signals_as_interrupts():
            while True:
                with self._supervised() as supervisor:
                    self._start_databases(supervisor)
                    prepare_sources()
                    self._start_processes(supervisor)
                    self._announce()
                    failed = self._first_runs(supervisor)
                    running = "Running; " if failed else ""
                    self._say(f"{running}{outcome_line(failed)} Ctrl-C stops everything.")
                    self._keep_up(supervisor)
                self._say("supervisord has ended; starting everything again")
                end_stack(self._settings, self._say)

    def _keep_up(self, supervisor: Supervisor) -> None:
        """As long as supervisord lives. It gives up on what ends too often at its start; here, what
        a process needs may come back after any time.
        """
        while supervisor.running:
            time.sleep(_LOOK_SECONDS)
            with suppress(OSError, http.client.HTTPException, xmlrpc.client.Error):
                for name in supervisor.revive():
                    self._say(f"{name} did not stay up and is started again; see its log")

    def programs(self) -> list[Program]:
        """What supervisord keeps up: the embedded servers, then Heartbeat's own processes."""
        databases = [
            Program(
                name,
                [*self._without_secrets(), *self._database(name, server).guard_command()],
                1,
            )
            for name, server in self._servers.items()
        ]
        serve = [sys.executable, "-m", "heartbeat", "serve"]
        own = [
            Program(process.name, [*serve, process.name], 2)
            for process in processes(self._settings)
        ]
        living = [
            Program(each.name, [*self._without_secrets(), *each.guard_command()], 2)
            for each in self._living
        ]
        return [*databases, *own, *living]

    def _database(self, name: str, server: EmbeddedPostgres) -> Guarded:
        return Guarded(
            name,
            str(self._settings.home),
            tuple(server.command()),
            server.address("postgres"),
            stage=1,
            stop_signal="INT",
            user=server.system_user,
            nice=_STANDING_BACK,
        )

    def _guarded(self, name: str, command: tuple[str, ...]) -> Guarded:
        return Guarded(name, str(self._settings.home), command, None)

    def _without_secrets(self) -> tuple[str, ...]:
        return without_secrets(self._environment, self._settings)

    def _start_databases(self, supervisor: Supervisor) -> None:
        for name in self._servers:
            supervisor.start_program(name)
        for name, server in self._servers.items():
            self._wait(f"Starting Postgres for {name}", server.answers, supervisor)
            server.ask_for_passwords()
        self._say("Preparing the databases")
        prepare_databases(self._settings)
        self._refuse_second_daemon(supervisor)

    def _refuse_second_daemon(self, supervisor: Supervisor) -> None:
        """Our own does not run yet, so whoever has the lock belongs to another stack.

        Or it did run, and a server elsewhere notices only after a minute that this machine has
        been switched off.
        """
        holder = self._daemon_lock_holder()
        if holder and session_name(str(self._settings.home)) in holder:
            title = "Waiting until the database has noticed the end of the earlier daemon"
            self._wait(title, lambda: self._daemon_lock_holder() is None, supervisor)
        elif holder:
            raise StackError(holder)

    def _daemon_lock_holder(self) -> str | None:
        return holder_of(self._settings.dagster_login_url)

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

    def _first_runs(self, supervisor: Supervisor) -> int:
        runs = FirstRuns(self._settings, self._console, goes_on=lambda: supervisor.running)
        return runs.run()

    def _announce(self) -> None:
        self._console.print(
            f"\n  Cockpit  {self._settings.api_url}/"
            f"\n  Dagster  {self._settings.own_dagster_url}/\n",
            highlight=False,
        )

    def _api_answers(self) -> bool:
        try:
            address = f"{self._settings.api_url}/healthz"
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
    def _supervised(self) -> Iterator[Supervisor]:
        supervisor = Supervisor(self._settings.home, self.programs())
        try:
            supervisor.start(self._environment)
            yield supervisor
        finally:
            with _deaf_to_signals():
                if sys.exc_info()[0] is KeyboardInterrupt:
                    self._say("Stopping")
                self._stop(supervisor)

    def _stop(self, supervisor: Supervisor) -> None:
        """End the runs while the databases can still hear of it, then everything else."""
        if supervisor.running:
            supervisor.wake()
            with suppress(OSError, http.client.HTTPException, xmlrpc.client.Error):
                supervisor.stop_program(DAEMON)
                stop_workers(WorkerLocks(self._settings.run_workers))
            if supervisor.stop(_STOP_SECONDS):
                return
        end_stack(self._settings, self._say)

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False)


@contextmanager
def _signals_as_interrupts() -> Iterator[None]:
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        return


@contextmanager
def _deaf_to_signals() -> Iterator[None]:
    """A second Ctrl-C must not leave half of the processes."""
    handlers = [signal.signal(number, signal.SIG_IGN) for number in _STOP_SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(_STOP_SIGNALS, handlers, strict=True):
            signal.signal(number, handler)
