"""The documentation is a contract: what exists is in it, and its links lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer.main
from starlette.routing import BaseRoute

from heartbeat.cli.application import app
from heartbeat.settings import Settings
from heartbeat_api.app import create_app

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        REPOSITORY / "README.md",
        REPOSITORY / "forkserver_launcher" / "README.md",
        *(REPOSITORY / "docs").rglob("*.md"),
    ]
)
EVERYTHING = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
MIGRATIONS = sorted((REPOSITORY / "heartbeat" / "schema" / "versions").glob("*.sql"))


def commands(command: click.Command, prefix: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from commands(child, f"{prefix} {name}")
    else:
        yield prefix


def group() -> click.Command:
    return typer.main.get_command(app)  # type: ignore[return-value]


def paths(routes: list[BaseRoute]) -> Iterator[str]:
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from paths(included.routes)
        else:
            yield getattr(route, "path")  # noqa: B009 - a base route declares none


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_documented(field: str) -> None:
    assert f"`{Settings.model_fields[field].validation_alias}`" in EVERYTHING


def test_pip_of_a_fresh_environment_carries_out_what_is_written() -> None:
    """Some ask for an extra of a locked package, which it takes for one that is not locked."""
    lines = [line for line in EVERYTHING.splitlines() if "--require-hashes" in line]
    assert lines
    assert [line for line in lines if "--no-deps" not in line] == []


@pytest.mark.parametrize("command", sorted(commands(group(), "heartbeat")))
def test_every_command_is_documented(command: str) -> None:
    assert re.search(rf"`{command}[` ]", EVERYTHING)


def test_every_rule_of_the_linter_is_in_its_table() -> None:
    table = (REPOSITORY / "docs" / "metrics" / "file-format.md").read_text(encoding="utf-8")
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for path in sorted((REPOSITORY / "heartbeat" / "lint").glob("*.py"))
    )
    rules = set(re.findall(r'(?:name = |, )"([a-z]+(?:-[a-z]+)+)"', code))
    assert {"source-drift", "select-star"} <= rules
    assert {rule for rule in rules if f"`{rule}`" not in table} == set()


def test_every_route_is_documented_and_no_other() -> None:
    documented = set(re.findall(r"`(?:GET|PUT|PATCH|POST|DELETE) (/[^`?]*)`", EVERYTHING))
    assert set(paths(create_app(Settings.load()).routes)) == documented


def test_every_table_new_column_and_function_for_authors_is_documented() -> None:
    text = "\n".join(migration.read_text(encoding="utf-8") for migration in MIGRATIONS)
    names = re.findall(r"(?:create table heartbeat\.|add column (?:if not exists )?)(\w+)", text)
    assert names
    assert [name for name in names if f"`{name}`" not in EVERYTHING] == []
    commented = re.findall(r"comment on function (heartbeat\.\w+)", text)
    assert commented
    assert [name for name in commented if f"`{name}(" not in EVERYTHING] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_link_inside_the_repository_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    broken = [
        target
        for target in targets
        if target and "://" not in target and not (document.parent / target).exists()
    ]
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_document_names_a_path_of_somebodys_machine(document: Path) -> None:
    assert re.findall(r"/(?:root|home|Users)/", document.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_a_section_begins_after_an_empty_line_and_has_a_name_of_its_own(document: Path) -> None:
    text = re.sub(r"^ *```.*?^ *```", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
    assert re.findall(r"[^\n]\n## .*", text) == []
    names = re.findall(r"^#+ .*", text, re.MULTILINE)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("page", ["settings", "commands"])
def test_each_row_is_there_once(page: str) -> None:
    text = (REPOSITORY / "docs" / "operations" / f"{page}.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \|", text, re.MULTILINE)
    assert len(rows) == len(set(rows))
