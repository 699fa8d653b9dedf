"""The documentation as pages: Markdown files of the project's folder `docs/`."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markupsafe import Markup

_TITLE = re.compile(r"^# +(.+)$", re.MULTILINE)
_PICTURES = frozenset({".png", ".svg", ".jpg"})
_TEXTS = frozenset({".sql", ".yml", ".json"})
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


@dataclass(frozen=True)
class Document:
    """One page of the documentation; `href` is its path below `/docs/`."""

    href: str
    title: str


class DocsFolder:
    """A folder with Markdown files, and what they show."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    @property
    def exists(self) -> bool:
        """Whether there is a documentation."""
        return self._folder.is_dir()

    def documents(self) -> tuple[Document, ...]:
        """Every page, those of the folder itself first."""
        paths = sorted(self._folder.rglob("*.md"), key=lambda path: (len(path.parts), path))
        return tuple(
            Document(path.relative_to(self._folder).as_posix(), _title(path)) for path in paths
        )

    def html(self, name: str) -> Markup | None:
        """The page of that path; None when there is none."""
        path = self._inside(name)
        if path is None or path.suffix != ".md":
            return None
        return Markup(_markdown.render(path.read_text(encoding="utf-8")))  # noqa: S704 - no HTML

    def picture(self, name: str) -> Path | None:
        """The picture of that path; None when there is none."""
        return self._of_kind(name, _PICTURES)

    def text(self, name: str) -> Path | None:
        """The script or configuration of that path, to be saved; None when there is none."""
        return self._of_kind(name, _TEXTS)

    def _of_kind(self, name: str, suffixes: Collection[str]) -> Path | None:
        path = self._inside(name)
        return path if path is not None and path.suffix in suffixes else None

    def _inside(self, name: str) -> Path | None:
        try:
            path = (self._folder / name).resolve()
            return path if path.is_relative_to(self._folder) and path.is_file() else None
        except (ValueError, OSError):  # a name with a NUL, or one too long to be a file's
            return None


def _title(path: Path) -> str:
    found = _TITLE.search(path.read_text(encoding="utf-8"))
    return found[1] if found else path.stem
