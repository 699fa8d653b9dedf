"""How the steps of a run are carried out."""

from dagster import Executor, ExecutorDefinition, InitExecutorContext
from dagster._core.execution.retries import RetryMode
from dagster._core.execution.step_dependency_config import StepDependencyConfig
from dagster._core.executor.in_process import InProcessExecutor

_STATEMENT_TIMEOUT_MS = 60_000
_RECYCLE_SECONDS = 3_600
_MORE_CONNECTIONS = 4


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
    return InProcessExecutor(
        retries=RetryMode.ENABLED,
        step_dependency_config=StepDependencyConfig(require_upstream_step_success=False),
    )


EXECUTOR = ExecutorDefinition(name="in_process", executor_creation_fn=_pooled_in_process)
"""One process, one step at a time: the pool limits runs, not the steps of a run.

A step runs when the outputs that it needs are there, also when the step that made them failed
afterwards: a table that does not land makes its step red and keeps no metric from its refresh.
"""
