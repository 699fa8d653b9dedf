"""How the steps of a run are carried out."""

from dagster import ExecutorDefinition, in_process_executor

EXECUTOR: ExecutorDefinition = in_process_executor.configured(
    {"step_dependency_config": {"require_upstream_step_success": False}}, name="in_process"
)
"""One process, one step at a time: the pool limits runs, not the steps of a run.

A step runs when the outputs that it needs are there, also when the step that made them failed
afterwards: a table that does not land makes its step red and keeps no metric from its refresh.
"""
