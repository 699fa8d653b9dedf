"""The module of an audit cut, imported: only where an author's code may run, see `cut_server`."""

import ast
import hashlib
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from heartbeat.audit.cut_code import line_of_name, parsed
from heartbeat.audit.system_call import NETWORK_ERROR, PROGRAM_ERROR, WRITE_ERROR
from heartbeat.errors import ContentError

_FUNCTIONS: Final[Mapping[str, tuple[str, tuple[object, ...], Mapping[str, object]]]] = {
    "compute": ("compute(conn, *, window)", (object(),), {"window": object()}),
    "chart": ("chart(payload)", (object(),), {}),
}

_REFUSALS: Final = {
    NETWORK_ERROR: "may not open network connections",
    PROGRAM_ERROR: "may not start or signal other programs",
    WRITE_ERROR: "may not write files",
}
"""By the errors that the filter of system calls gives."""


def imported(path: Path) -> ModuleType:
    """Import a cut afresh; raises ContentError with the line of the fault.

    The modules of a folder live in a private package, so that cuts can share code through
    `from ._name import ...` while `sys.path` stays as it is.
    """
    tree = parsed(path)
    package = _fresh_package(path.parent)
    module = ModuleType(f"{package}.{path.stem}")
    module.__file__ = str(path)
    module.__package__ = package
    sys.modules[module.__name__] = module
    try:
        # compiled from the text just read: a bytecode cache misses an edit within the same second
        exec(compile(tree, str(path), "exec"), module.__dict__)  # noqa: S102 - content is code
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:  # the author's code may raise anything
        line = fault_line(error, path) or 1
        raise ContentError(
            path, line, f"the import fails with {type(error).__name__}: {error}{refusal(error)}"
        ) from error
    return module


def function_problem(path: Path, module: ModuleType, tree: ast.Module) -> ContentError | None:
    """What is wrong with `compute` or `chart`, if anything."""
    for name, (wanted, arguments, keywords) in _FUNCTIONS.items():
        function: Callable[..., Any] | None = getattr(module, name, None)
        if function is None:
            return ContentError(path, 1, f"{name}: is missing; define {wanted}")
        try:
            inspect.signature(function).bind(*arguments, **keywords)
        except TypeError as error:
            line = line_of_name(tree, name) or 1
            return ContentError(path, line, f"{name}: cannot be called as {wanted}: {error}")
    return None


def fault_line(error: BaseException, path: Path) -> int | None:
    """The deepest line of the file at `path` that the error went through, if any."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    return lines[-1] if lines else None


def refusal(error: BaseException) -> str:
    """What a cut may not do, where that is what the error comes from; it begins with "; "."""
    causes = causes_of(error)
    refused = [
        _REFUSALS[each.errno]
        for each in causes
        if isinstance(each, OSError) and each.errno in _REFUSALS
    ]
    if refused:
        return f"; a cut {refused[0]}"
    if any(isinstance(each, PermissionError) and each.filename is not None for each in causes):
        return "; a cut reads files of audit_cuts only"
    return ""


def causes_of(error: BaseException | None) -> list[BaseException]:
    """The error, and what it was raised from."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _fresh_package(folder: Path) -> str:
    name = f"_audit_cuts_{hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:12]}"
    for module in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
        del sys.modules[module]
    importlib.invalidate_caches()
    package = ModuleType(name)
    package.__path__ = [str(folder.absolute())]
    sys.modules[name] = package
    return name
