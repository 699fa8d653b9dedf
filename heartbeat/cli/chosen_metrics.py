"""The metrics that a person names, by id or code, among those that `validate` lets pass."""

from collections.abc import Sequence

from heartbeat.errors import HeartbeatError
from heartbeat.metrics.metric import Metric
from heartbeat.project import Project


def chosen_metrics(project: Project, names: Sequence[str]) -> list[Metric]:
    """Those metrics, each once; all that can be used without a name.

    Raises HeartbeatError with what is wrong with the file of a metric that cannot be used.
    """
    refused = {problem.path for problem in project.metric_problems}
    if not names:
        return [each for each in project.metrics.metrics if each.path not in refused]
    found = {each.metric_id: each for name in names for each in [_named(project, name)]}
    return list(found.values())


def metric_id_of(project: Project, name: str) -> str:
    """The id of a metric with a file, usable or not, by id or code; raises HeartbeatError."""
    for metric in project.metrics.metrics:
        if name in (metric.metric_id, metric.code):
            return metric.metric_id
    if name in project.metrics.broken:
        return name
    raise HeartbeatError(_unknown(project, name))


def _named(project: Project, name: str) -> Metric:
    metric_id = metric_id_of(project, name)
    problems = [each for each in project.metric_problems if each.path.stem == metric_id]
    if problems:
        raise HeartbeatError("; ".join(str(problem) for problem in problems))
    return next(each for each in project.metrics.metrics if each.metric_id == metric_id)


def _unknown(project: Project, name: str) -> str:
    """A code may be that of a file that cannot be used, so those are told as well."""
    problem = f"no metric in {project.folder / 'metrics'} has the id or code {name}"
    return "; ".join([problem, *(str(each) for each in project.metrics.problems)])
