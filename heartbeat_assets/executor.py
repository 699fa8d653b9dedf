"""How the steps of a run are carried out."""

from collections.abc import Iterator

from dagster import DagsterEvent, Executor, ExecutorDefinition, InitExecutorContext
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.execution.step_dependency_config import StepDependencyConfig
from dagster._core.executor.in_process import InProcessExecutor

from heartbeat.login import Login
from heartbeat.postgres_session import connect
from heartbeat.schema.version import read_version, refuse_other
from heartbeat.settings import Settings

_STATEMENT_TIMEOUT_MS = 60_000
_RECYCLE_SECONDS = 3_600
_MORE_CONNECTIONS = 4


class _OnKnownSchema(InProcessExecutor):
    """The in-process executor, which begins no step on a schema of another version.

    A newer Heartbeat may migrate while a run of this one waits or goes on.
    """

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[DagsterEvent]:
        """The events of the run; raises SchemaVersionError before a step."""
        _refuse_other_schema()
        for event in super().execute(plan_context, execution_plan):
            yield event
            if event.is_step_success or event.is_step_failure:
                _refuse_other_schema()


def _refuse_other_schema() -> None:
    with connect(Settings.load().login_url(Login.COMPUTE), autocommit=True) as connection:
        refuse_other(read_version(connection))


def _pooled_in_process(context: InitExecutorContext) -> Executor:
    """The in-process executor, on an instance that keeps its connections.

    Dagster opens a connection for each event and closes it again, which costs more than the event.
    Its way to keep them is named for the webserver, and a run writes even more.
    """
    context.instance.optimize_for_webserver(
        statement_timeout=_STATEMENT_TIMEOUT_MS,
        pool_recycle=_RECYCLE_SECONDS,
        max_overflow=_MORE_CONNECTIONS,
    )
    return _OnKnownSchema(
        retries=RetryMode.ENABLED,
        step_dependency_config=StepDependencyConfig(require_upstream_step_success=False),
    )


EXECUTOR = ExecutorDefinition(name="in_process", executor_creation_fn=_pooled_in_process)
"""One process, one step at a time: the pool limits runs, not the steps of a run.

A step runs when the outputs that it needs are there, also when the step that made them failed
afterwards: a table that does not land makes its step red and keeps no metric from its refresh.
"""
