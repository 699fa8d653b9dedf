"""The documentation as pages."""

from pathlib import Path

import pytest

from heartbeat_api.docs_folder import DocsFolder, Document


@pytest.fixture
def docs(tmp_path: Path) -> DocsFolder:
    folder = tmp_path / "docs"
    (folder / "sources").mkdir(parents=True)
    (folder / "operations.md").write_text("# Operating it\n\nSee [landing](sources/landing.md).")
    (folder / "sources" / "landing.md").write_text("| a | b |\n|---|---|\n| 1 | <b>2</b> |\n")
    (folder / "wall.png").write_bytes(b"png")
    (folder / "grants.sql").write_text("grant")
    (tmp_path / "secret.sql").write_text("secret")
    (tmp_path / "secret.md").write_text("# Secret")
    return DocsFolder(folder)


def test_every_page_is_listed_with_its_title(docs: DocsFolder) -> None:
    assert docs.documents() == (
        Document("operations.md", "Operating it"),
        Document("sources/landing.md", "landing"),
    )


def test_a_page_is_its_markdown_with_tables_and_without_html_of_its_own(docs: DocsFolder) -> None:
    assert '<a href="sources/landing.md">landing</a>' in (docs.html("operations.md") or "")
    table = docs.html("sources/landing.md") or ""
    assert "<td>1</td>" in table
    assert "&lt;b&gt;2&lt;/b&gt;" in table


@pytest.mark.parametrize("name", ["../secret.md", "/etc/passwd", "none.md", "sources", "wall.png"])
def test_nothing_else_is_a_page(docs: DocsFolder, name: str) -> None:
    assert docs.html(name) is None


@pytest.mark.parametrize(("name", "there"), [("wall.png", True), ("operations.md", False)])
def test_a_picture_is_a_file_beside_the_pages(docs: DocsFolder, name: str, there: bool) -> None:
    assert (docs.picture(name) is not None) is there


@pytest.mark.parametrize(
    ("name", "there"), [("grants.sql", True), ("../secret.sql", False), ("wall.png", False)]
)
def test_a_script_that_a_page_links_to_can_be_read(
    docs: DocsFolder, name: str, there: bool
) -> None:
    assert (docs.text(name) is not None) is there


def test_a_project_without_a_documentation_has_none(tmp_path: Path) -> None:
    assert not DocsFolder(tmp_path / "docs").exists
