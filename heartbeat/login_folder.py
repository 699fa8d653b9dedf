"""Passwords that Heartbeat made itself: one file a role, readable by the user who made it."""

import os
import secrets
from pathlib import Path

from heartbeat.errors import SettingsError

_BYTES = 24


class LoginFolder:
    """The folder of the passwords, `<HEARTBEAT_HOME>/logins`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, role: str) -> str | None:
        """The password of a role; None where none was made. SettingsError when it is not for us."""
        file = self.folder / role
        try:
            return file.read_text(encoding="ascii").strip() or None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise SettingsError(
                f"the password file {file} cannot be read ({error.strerror}); it belongs to the "
                "user who ran `heartbeat migrate`: run as that user, or set "
                f"{role.upper()}_PASSWORD"
            ) from None

    def ensure(self, role: str) -> str:
        """The password of a role, made where there is none; it never changes afterwards."""
        known = self.read(role)
        if known is not None:
            return known
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        made = self.folder / f".{role}.{os.getpid()}"
        made.touch(mode=0o600)
        with made.open("w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            # of two who make it at once, the first wins
            os.link(made, self.folder / role)
        except FileExistsError:
            pass
        finally:
            made.unlink()
        password = self.read(role)
        assert password is not None
        return password
