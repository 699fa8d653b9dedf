"""Commands for the authors of metrics."""

import json
from typing import Annotated

import typer

from heartbeat.cli.marts import opened_marts
from heartbeat.errors import HeartbeatError
from heartbeat.project import Project

app = typer.Typer(no_args_is_help=True, help="For the authors of metrics.")


@app.callback()
def metric() -> None:
    """For the authors of metrics."""


@app.command()
def lint(
    metric: Annotated[list[str] | None, typer.Argument(help="Ids; all without any.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read.")] = False,
) -> None:
    """Report files that cannot be used, and what would make a number slow, wrong or unread."""
    from heartbeat.lint.linter import lint as findings_of

    with opened_marts() as settings:
        project = Project(settings.project)
        findings = list(findings_of(project, settings, metric_ids=frozenset(metric or ()) or None))
    if as_json:
        keys = ("file", "line", "rule", "problem")
        rows = [(each.path.name, each.line, each.rule, each.problem) for each in findings]
        typer.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=1))
    else:
        for finding in findings:
            typer.echo(str(finding))
    if findings:
        raise HeartbeatError(f"the linter has {len(findings)} findings")
    if not as_json:
        typer.echo("Nothing to report.")
