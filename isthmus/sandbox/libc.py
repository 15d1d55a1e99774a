"""The few system calls that Python does not offer, for Linux on x86-64 and AArch64."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1
PR_GET_DUMPABLE: Final = 3
PR_SET_DUMPABLE: Final = 4
PR_GET_SECCOMP: Final = 21
PR_SET_SECCOMP: Final = 22
PR_SET_NO_NEW_PRIVS: Final = 38
PR_GET_NO_NEW_PRIVS: Final = 39

AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
SYS_LANDLOCK_CREATE_RULESET: Final = 444
SYS_LANDLOCK_RESTRICT_SELF: Final = 446

_NUMBERS: Final = {
    "x86_64": (
        "read 0 write 1 open 2 close 3 poll 7 mmap 9 mprotect 10 munmap 11 brk 12 rt_sigaction 13 "
        "rt_sigprocmask 14 rt_sigreturn 15 ioctl 16 writev 20 sched_yield 24 mremap 25 madvise 28 shmget 29 "
        "nanosleep 35 getpid 39 socket 41 connect 42 sendto 44 recvfrom 45 sendmsg 46 recvmsg 47 shutdown 48 "
        "bind 49 getsockname 51 getpeername 52 setsockopt 54 getsockopt 55 clone 56 fork 57 execve 59 "
        "exit 60 kill 62 fcntl 72 gettimeofday 96 getrusage 98 ptrace 101 getppid 110 sigaltstack 131 "
        "prctl 157 gettid 186 setxattr 188 futex 202 sched_getaffinity 204 restart_syscall 219 "
        "clock_gettime 228 clock_getres 229 clock_nanosleep 230 exit_group 231 epoll_wait 232 epoll_ctl 233 "
        "utimensat 280 add_key 248 openat 257 ppoll 271 unshare 272 epoll_pwait 281 prlimit64 302 "
        "process_vm_writev 311 getrandom 318 memfd_create 319 rseq 334 io_uring_setup 425 clone3 435 "
        "epoll_pwait2 441"
    ),
    "aarch64": (
        "setxattr 5 epoll_ctl 21 epoll_pwait 22 fcntl 25 ioctl 29 openat 56 close 57 read 63 write 64 "
        "writev 66 ppoll 73 utimensat 88 exit 93 exit_group 94 unshare 97 futex 98 nanosleep 101 "
        "clock_gettime 113 clock_getres 114 clock_nanosleep 115 ptrace 117 sched_getaffinity 123 "
        "sched_yield 124 restart_syscall 128 kill 129 sigaltstack 132 rt_sigaction 134 rt_sigprocmask 135 "
        "rt_sigreturn 139 getrusage 165 prctl 167 gettimeofday 169 getpid 172 getppid 173 gettid 178 "
        "shmget 194 socket 198 bind 200 connect 203 getsockname 204 getpeername 205 sendto 206 recvfrom 207 "
        "setsockopt 208 getsockopt 209 shutdown 210 sendmsg 211 recvmsg 212 brk 214 munmap 215 mremap 216 "
        "add_key 217 clone 220 execve 221 mmap 222 mprotect 226 madvise 233 prlimit64 261 "
        "process_vm_writev 271 getrandom 278 memfd_create 279 rseq 293 io_uring_setup 425 clone3 435 "
        "epoll_pwait2 441"
    ),
}


class NotLinux(Exception):
    """This machine has no system calls that we know: not Linux, or another processor."""


def machine() -> str:
    """Return `x86_64` or `aarch64`; raise `NotLinux` elsewhere (also for a 32-bit Python)."""
    name = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}.get(platform.machine())
    if sys.platform != "linux" or name is None or sys.maxsize < 2**32:
        raise NotLinux
    return name


def syscall_numbers() -> dict[str, int]:
    """Return the numbers of the system calls that this package names."""
    words = _NUMBERS[machine()].split()
    return {name: int(number) for name, number in zip(words[::2], words[1::2], strict=True)}


class Libc:
    """`syscall` and `prctl` with errors as `OSError`."""

    def __init__(self) -> None:
        """Bind the C library of this process."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.syscall.restype = ctypes.c_long

    def syscall(self, number: int, *arguments: int | bytes | ctypes.c_void_p | None) -> int:
        """Call; raise `OSError` on failure."""
        words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
        result: int = self._libc.syscall(ctypes.c_long(number), *words)
        if result < 0:
            number_of_error = ctypes.get_errno()
            raise OSError(number_of_error, os.strerror(number_of_error))
        return result

    def prctl(self, option: int, argument: int = 0, pointer: ctypes.c_void_p | None = None) -> int:
        """Call `prctl`; raise `OSError` on failure."""
        return self.syscall(syscall_numbers()["prctl"], option, argument, pointer, 0, 0)

    def give_back_large_blocks(self) -> None:
        """Let memory of 1 MiB and more go back to the system when it is freed, where the library can (glibc).

        Otherwise it is kept for later, in an area for each thread. For a process that is at times large, and lives on.
        """
        arena_max, mmap_threshold, trim_threshold, block_bytes = -8, -3, -1, 1 << 20
        mallopt = getattr(self._libc, "mallopt", None)
        if mallopt is not None:
            for option, value in ((arena_max, 1), (mmap_threshold, block_bytes), (trim_threshold, block_bytes)):
                mallopt(option, value)

    def lock_memory(self) -> bool:
        """Keep touched pages out of swap; return whether the kernel agreed."""
        current_future_on_fault = 1 | 2 | 4
        return int(self._libc.mlockall(current_future_on_fault)) == 0
