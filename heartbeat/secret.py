"""Secrets in the environment: as a value, or as the name of a file that holds it."""

from collections.abc import Mapping
from pathlib import Path

from heartbeat.errors import SettingsError

FILE_SUFFIX = "_FILE"
"""What is added to a variable's name where its value is the name of a file with the secret."""


def file_variable(variable: str) -> str:
    """The variable that names the file of a secret, as Docker and systemd give it."""
    return f"{variable}{FILE_SUFFIX}"


def read_secret(variable: str, environment: Mapping[str, str]) -> str | None:
    """The value of a variable, or what its file holds without the line break at the end.

    None where neither is set. Raises SettingsError, which never quotes the secret, where both are
    set and where the file is missing, unreadable or empty.
    """
    value = environment.get(variable) or None
    file = environment.get(file_variable(variable)) or None
    if file is None:
        return value
    if value is not None:
        raise SettingsError(
            f"{variable} and {file_variable(variable)} are both set; unset one of them"
        )
    return _content(file_variable(variable), Path(file))


def _content(variable: str, file: Path) -> str:
    try:
        secret = file.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise SettingsError(f"{variable}: {file} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{variable}: {file} is not a text in UTF-8") from None
    if not secret:
        raise SettingsError(f"{variable}: {file} is empty; it must hold the secret")
    return secret
