"""The system calls that code of an author may not make, by their numbers on each processor."""

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

NETWORK_ERROR: Final = errno.ENETDOWN
PROGRAM_ERROR: Final = errno.EPERM
WRITE_ERROR: Final = errno.EROFS

ARCHITECTURES: Final[Mapping[str, int]] = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""What the kernel calls a processor (AUDIT_ARCH_*), by the name that `os.uname` has for it."""


@dataclass(frozen=True)
class SystemCall:
    """One system call: its number on x86_64 and on aarch64, None where there is none."""

    name: str
    x86_64: int | None
    aarch64: int | None

    def number(self, machine: str) -> int | None:
        """Its number on that processor."""
        return self.x86_64 if machine == "x86_64" else self.aarch64


def _calls(table: str) -> tuple[SystemCall, ...]:
    rows = (line.split() for line in table.strip().splitlines())
    return tuple(SystemCall(name, _number(x86), _number(arm)) for name, x86, arm in rows)


def _number(text: str) -> int | None:
    return None if text == "-" else int(text)


REFUSED: Final[Mapping[int, tuple[SystemCall, ...]]] = {
    NETWORK_ERROR: _calls("""
        socket 41 198
        connect 42 203
        accept 43 202
        accept4 288 242
        bind 49 200
        listen 50 201
    """),
    WRITE_ERROR: _calls("""
        creat 85 -
        truncate 76 45
        rename 82 -
        renameat 264 38
        renameat2 316 276
        mkdir 83 -
        mkdirat 258 34
        rmdir 84 -
        link 86 -
        linkat 265 37
        unlink 87 -
        unlinkat 263 35
        symlink 88 -
        symlinkat 266 36
        mknod 133 -
        mknodat 259 33
        chmod 90 -
        fchmodat 268 53
        fchmodat2 452 452
        chown 92 -
        lchown 94 -
        fchownat 260 54
        utime 132 -
        utimes 235 -
        futimesat 261 -
        utimensat 280 88
        setxattr 188 5
        lsetxattr 189 6
        fsetxattr 190 7
        setxattrat 463 463
        removexattr 197 14
        lremovexattr 198 15
        fremovexattr 199 16
        removexattrat 466 466
        file_setattr 469 469
        fchmod 91 52
        fchown 93 55
        flock 73 32
    """),
    # a filter cannot see their arguments; glibc falls back to clone and openat
    errno.ENOSYS: _calls("""
        clone3 435 435
        openat2 437 437
    """),
    PROGRAM_ERROR: _calls("""
        fork 57 -
        vfork 58 -
        execve 59 221
        execveat 322 281
        tkill 200 130
        rt_sigqueueinfo 129 138
        rt_tgsigqueueinfo 297 240
        pidfd_open 434 434
        pidfd_getfd 438 438
        pidfd_send_signal 424 424
        ptrace 101 117
        process_vm_readv 310 270
        process_vm_writev 311 271
        process_madvise 440 440
        kcmp 312 272
        io_uring_setup 425 425
        io_uring_enter 426 426
        io_uring_register 427 427
        memfd_create 319 279
        memfd_secret 447 447
        shmget 29 194
        semget 64 190
        msgget 68 186
        mq_open 240 180
        setpriority 141 140
        sched_setaffinity 203 122
        sched_setscheduler 144 119
        sched_setparam 142 118
        sched_setattr 314 274
        ioprio_set 251 30
        bpf 321 280
        perf_event_open 298 241
        userfaultfd 323 282
        add_key 248 217
        request_key 249 218
        keyctl 250 219
        mount 165 40
        umount2 166 39
        pivot_root 155 41
        chroot 161 51
        unshare 272 97
        setns 308 268
        open_tree 428 428
        move_mount 429 429
        fsopen 430 430
        fsconfig 431 431
        fsmount 432 432
        mount_setattr 442 442
        name_to_handle_at 303 264
        open_by_handle_at 304 265
        fanotify_init 300 262
        settimeofday 164 170
        clock_settime 227 112
        sethostname 170 161
        setdomainname 171 162
        reboot 169 142
        swapon 167 224
        swapoff 168 225
        acct 163 89
        syslog 103 116
        init_module 175 105
        finit_module 313 273
        delete_module 176 106
        kexec_load 246 104
        iopl 172 -
        ioperm 173 -
    """),
}
"""What is refused whatever its arguments are, by the error that the call then gives."""

OPEN = SystemCall("open", 2, None)
OPENAT = SystemCall("openat", 257, 56)
SOCKETPAIR = SystemCall("socketpair", 53, 199)
CLONE = SystemCall("clone", 56, 220)
KILL = SystemCall("kill", 62, 129)
TGKILL = SystemCall("tgkill", 234, 131)
PRCTL = SystemCall("prctl", 157, 167)
FCNTL = SystemCall("fcntl", 72, 25)
IOCTL = SystemCall("ioctl", 16, 29)
MMAP = SystemCall("mmap", 9, 222)
PRLIMIT = SystemCall("prlimit64", 302, 261)
