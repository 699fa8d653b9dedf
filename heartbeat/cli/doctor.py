"""Is every part of the platform healthy? In one screen of text, with what to do."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from heartbeat.errors import HeartbeatError
from heartbeat.judgement.wording import counted
from heartbeat.settings import Settings


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read.")] = False,
) -> None:
    """Check every part of the platform, and say what to do where one is unhealthy."""
    from heartbeat.stack.doctor import State, examine

    findings = examine(Settings.load())
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in findings], indent=1))
    else:
        width = max(len(each.part) for each in findings)
        for each in findings:
            state = each.state.upper() if each.state is State.FAIL else each.state
            to_do = f"; {each.to_do}" if each.to_do else ""
            typer.echo(f"{state:<4}  {each.part:<{width}}  {each.told}{to_do}")
    failed = [each.part for each in findings if each.state is State.FAIL]
    if failed:
        raise HeartbeatError(f"{counted(len(failed), 'part')} failed: {', '.join(failed)}")
