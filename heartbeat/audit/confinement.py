"""Giving up, for the rest of a process, what an author's code has no need of.

Nothing here needs a privilege, so it works in a container and for any user. What a kernel does not
know is told by `confine`, not passed over in silence.
"""

import ctypes
import errno
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from heartbeat.audit.system_call import (
    ARCHITECTURES,
    CLONE,
    FCNTL,
    IOCTL,
    KILL,
    MMAP,
    NETWORK_ERROR,
    OPEN,
    OPENAT,
    PRCTL,
    PRLIMIT,
    PROGRAM_ERROR,
    REFUSED,
    SOCKETPAIR,
    TGKILL,
    WRITE_ERROR,
)

NO_CALL_FILTER: Final = "this kernel cannot filter system calls (seccomp)"
NO_FILE_RULES: Final = "this kernel cannot limit which files are read (Landlock)"

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
_OPEN_FILES = 256


def confine(
    readable: Iterable[Path], *, memory_bytes: int | None, cpu_seconds: int
) -> tuple[str, ...]:
    """Let this process open no connection, start no program and write no file from now on.

    It reads what is below `readable` only, signals itself only, and gets no more than that much
    memory and time of a processor. Returns what this kernel cannot do of that. To be called while
    the process has one thread.
    """
    _limit(memory_bytes, cpu_seconds)
    if sys.platform != "linux":
        return (NO_CALL_FILTER, NO_FILE_RULES)
    libc = ctypes.CDLL(None, use_errno=True)
    _drop_capabilities(libc)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    missing = [] if _limit_files(libc, readable) else [NO_FILE_RULES]
    if not _filter_calls(libc):
        missing.append(NO_CALL_FILTER)
    return tuple(missing)


def end_with_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent, whose id that is, has ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was gone before
        os._exit(1)


def _limit(memory_bytes: int | None, cpu_seconds: int) -> None:
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_CPU: cpu_seconds,
    }
    if memory_bytes is not None:
        limits[resource.RLIMIT_DATA] = memory_bytes
    for what, most in limits.items():
        _, hard = resource.getrlimit(what)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (allowed, allowed))


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """A process of root is one without privileges, too."""
    header = struct.pack("=Ii", 0x20080522, 0)
    libc.capset(header, struct.pack("=6I", *[0] * 6))


# Landlock: https://docs.kernel.org/userspace-api/landlock.html
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many rights on files each version knows; all of them are taken away."""


def _limit_files(libc: ctypes.CDLL, readable: Iterable[Path]) -> bool:
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    rights = (1 << max(n for known, n in _FILE_RIGHTS.items() if known <= version)) - 1
    network = 0b11 if version >= 4 else 0
    scopes = 0b11 if version >= 6 else 0
    attributes = struct.pack("=QQQ", rights, network, scopes)
    size = 8 + 8 * (version >= 4) + 8 * (version >= 6)
    rules = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0)
    if rules < 0:
        return False
    for path in readable:
        _let_read(libc, rules, path)
    limited = bool(libc.syscall(_RESTRICT_SELF, rules, 0) == 0)
    os.close(rules)
    return limited


def _let_read(libc: ctypes.CDLL, rules: int, path: Path) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # it is not there, or nobody may read it anyway
    access = _READ_FILE | (_READ_DIR if path.is_dir() else 0)
    libc.syscall(_ADD_RULE, rules, 1, struct.pack("=Qi", access, place), 0)
    os.close(place)


# a filter of system calls is a program for the kernel's packet filter, over struct seccomp_data
_LOAD, _AND, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE = 0, 4
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_X32_CALLS = 0x40000000
_CLONE_THREAD = 0x00010000
_WRITING = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC | (getattr(os, "O_TMPFILE", 0) & ~os.O_DIRECTORY)

# who gets a signal when a descriptor is ready, and which; leases and locks of files of others
_SIGNALLING_FCNTL = (8, 10, 15, 1024, 1026)  # F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY
_SIGNALLING_IOCTL = (0x8901, 0x8902)  # FIOSETOWN, SIOCSPGRP
_SHARED_MEMORY = 0x01 | 0x20  # MAP_SHARED, MAP_ANONYMOUS: neither a limit nor a count holds it

_Instruction = tuple[int, int, int, int]
"""Its code, how many to jump over where it holds and where not, and its constant."""


def _filter_calls(libc: ctypes.CDLL) -> bool:
    machine = os.uname().machine
    if machine not in ARCHITECTURES:
        return False
    program = b"".join(struct.pack("=HBBI", *each) for each in _program(machine, os.getpid()))
    code = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, described, 0, 0) == 0)


def _program(machine: str, own_pid: int) -> Iterator[_Instruction]:
    yield _LOAD, 0, 0, _ARCHITECTURE
    yield _EQUAL, 1, 0, ARCHITECTURES[machine]
    yield _RETURN, 0, 0, _KILL
    yield _LOAD, 0, 0, _NUMBER
    if machine == "x86_64":
        yield _AT_LEAST, 0, 1, _X32_CALLS
        yield _RETURN, 0, 0, _ERROR | PROGRAM_ERROR
    for error, calls in REFUSED.items():
        for call in calls:
            yield from _on(call.number(machine), [(_RETURN, 0, 0, _ERROR | error)])
    no_bit, some_bit, equal = (_ANY_BIT, 1, 0), (_ANY_BIT, 0, 1), (_EQUAL, 0, 1)
    checks = (
        (OPEN, 1, no_bit, _WRITING, WRITE_ERROR),
        (OPENAT, 2, no_bit, _WRITING, WRITE_ERROR),
        (CLONE, 0, some_bit, _CLONE_THREAD, PROGRAM_ERROR),
        (KILL, 0, equal, own_pid, PROGRAM_ERROR),
        (TGKILL, 0, equal, own_pid, PROGRAM_ERROR),
        (PRLIMIT, 0, equal, 0, PROGRAM_ERROR),
        (PRCTL, 0, (_EQUAL, 1, 0), _PR_SET_PDEATHSIG, PROGRAM_ERROR),
    )
    for call, argument, test, constant, error in checks:
        block = [
            (_LOAD, 0, 0, _argument(argument)),
            (*test, constant),
            (_RETURN, 0, 0, _ALLOW),
            (_RETURN, 0, 0, _ERROR | error),
        ]
        yield from _on(call.number(machine), block)
    for call, commands in ((FCNTL, _SIGNALLING_FCNTL), (IOCTL, _SIGNALLING_IOCTL)):
        refused = [
            part
            for command in commands
            for part in ((_EQUAL, 0, 1, command), (_RETURN, 0, 0, _ERROR | PROGRAM_ERROR))
        ]
        block = [(_LOAD, 0, 0, _argument(1)), *refused, (_RETURN, 0, 0, _ALLOW)]
        yield from _on(call.number(machine), block)
    shared = [
        (_LOAD, 0, 0, _argument(3)),
        (_AND, 0, 0, _SHARED_MEMORY),
        (_EQUAL, 0, 1, _SHARED_MEMORY),
        (_RETURN, 0, 0, _ERROR | errno.ENOMEM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    yield from _on(MMAP.number(machine), shared)
    # a pair of streams reaches nobody else; a datagram could be sent to any socket
    pair = [
        (_LOAD, 0, 0, _argument(1)),
        (_AND, 0, 0, 0xF),
        (_EQUAL, 0, 1, socket.SOCK_STREAM),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERROR | NETWORK_ERROR),
    ]
    yield from _on(SOCKETPAIR.number(machine), pair)
    yield _RETURN, 0, 0, _ALLOW


def _on(number: int | None, block: Sequence[_Instruction]) -> Iterator[_Instruction]:
    if number is not None:
        yield _EQUAL, 0, len(block), number
        yield from block


def _argument(position: int) -> int:
    """Where the lower half of an argument is; both processors are little-endian."""
    return 16 + 8 * position
