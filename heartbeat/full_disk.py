"""What a person is told when something failed on a full disk: which disk, and what to do."""

import errno
import os
from pathlib import Path

_SAID = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT))
_OF_THIS_MACHINE = tuple(f"[Errno {number}]" for number in (errno.ENOSPC, errno.EDQUOT))

ADVICE = "free some space: runbook 'The disk fills up' says what takes it"
DATABASE_FULL = f"the disk of the database is full; {ADVICE}"
"""The same of what the server could not write."""


def with_full_disk_named(message: str, folder: Path) -> str:
    """An error's message, with the disk when it failed on a full one.

    `folder` is where this process was writing; what has no error number of this system's was said
    by the server of the database.
    """
    if any(number in message for number in _OF_THIS_MACHINE):
        return f"{message}; the disk of {folder} is full; {ADVICE}"
    if any(words in message for words in _SAID):
        return f"{message}; {DATABASE_FULL}"
    return message
