"""The code of an audit cut: its file, and what it imports from the files beside it."""

import ast
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from heartbeat.errors import ContentError

_WORD = re.compile(r"\w+")
_ALL_COLUMNS = re.compile(r"\*\s*(,|from\b)", re.IGNORECASE)


@dataclass(frozen=True)
class CutCode:
    """The syntax trees of a cut by their files."""

    trees: Mapping[Path, ast.Module]

    @classmethod
    def of(cls, path: Path, tree: ast.Module) -> "CutCode":
        """The code that begins with this file; raises ContentError for one that does not parse."""
        trees, waiting = {path: tree}, [tree]
        while waiting:
            for shared in _shared_modules(waiting.pop(), path.parent):
                if shared not in trees:
                    trees[shared] = parsed(shared)
                    waiting.append(trees[shared])
        return cls(trees)

    @property
    def hash(self) -> str:
        """SHA-256, hexadecimal; comments and layout do not count."""
        dumps = (f"{each.name}\n{ast.dump(self.trees[each])}\n" for each in sorted(self.trees))
        return hashlib.sha256("".join(dumps).encode()).hexdigest()

    @property
    def words(self) -> tuple[str, ...]:
        """The words of its texts, SQL among them, each once; `*` where it selects all columns."""
        texts = [text for tree in self.trees.values() for text in _texts(tree)]
        words = {word for text in texts for word in _WORD.findall(text)}
        star = ["*"] if any(map(_ALL_COLUMNS.search, texts)) else []
        return tuple(sorted([*words, *star]))


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file; raises ContentError with the line of the fault."""
    try:
        return ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        raise ContentError(path, error.lineno or 1, f"not valid Python: {error.msg}") from error
    except ValueError as error:
        raise ContentError(path, 1, f"not valid Python: {error}") from error


def line_of_name(tree: ast.Module, name: str) -> int | None:
    """The line on which the module binds the name, if it does."""
    for statement in tree.body:
        if name in _bound_names(statement):
            return statement.lineno
    return None


def meta_node(tree: ast.Module) -> ast.expr | None:
    """What the module calls META, if it is written there."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and "META" in _bound_names(statement):
            return statement.value
    return None


def _shared_modules(tree: ast.Module, folder: Path) -> Iterator[Path]:
    """The files beside the cut that it imports from; a folder of code is not looked into."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            files = (folder / f"{name}.py" for name in names)
            yield from (file for file in files if file.is_file())


def _texts(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _bound_names(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.ImportFrom(names=aliases):
            return [alias.asname or alias.name for alias in aliases]
    return []
