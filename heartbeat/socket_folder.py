"""Unix sockets have short paths; folders of people do not."""

import hashlib
import os
import tempfile
from pathlib import Path

_LONGEST = 80


def socket_folder(folder: Path) -> Path:
    """Where the sockets that belong to `folder` are.

    The folder itself, or a short one when its path is too long for a socket's address.
    """
    if len(str(folder)) <= _LONGEST:
        return folder
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"heartbeat-{os.getuid()}-{digest}"


def make_socket_folder(folder: Path) -> Path:
    """The socket folder, made where it is not `folder` itself."""
    sockets = socket_folder(folder)
    if sockets != folder:
        sockets.mkdir(parents=True, exist_ok=True)
        sockets.chmod(0o777 if os.geteuid() == 0 else 0o700)
    return sockets
