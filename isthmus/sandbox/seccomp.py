"""Seccomp: an allow-list of system calls; everything else is refused with EPERM.

Refusing instead of killing lets the self-probe try what must fail and go on; a refused call has no effect either way.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from typing import Final

from isthmus.sandbox.libc import AUDIT_ARCH, PR_SET_SECCOMP, Libc, machine, syscall_numbers

# What asyncio, TLS, numpy and the interpreter need once every file is read, every socket is handed in and no thread
# is ever started. Not in it: open, socket, connect, bind, sendmsg (passing descriptors on), fork, clone, exec, ptrace,
# memfd_create, shmget, add_key, setxattr, utimensat, io_uring_setup, unshare, process_vm_writev, kill.
ALLOWED: Final = (
    "read write writev close poll ppoll munmap mremap madvise brk rt_sigaction rt_sigprocmask rt_sigreturn sched_yield "
    "nanosleep clock_nanosleep getpid gettid getppid sendto recvfrom recvmsg shutdown getsockname getpeername "
    "setsockopt getsockopt exit exit_group gettimeofday getrusage sigaltstack futex sched_getaffinity restart_syscall "
    "clock_gettime clock_getres epoll_wait epoll_ctl epoll_pwait epoll_pwait2 getrandom rseq"
).split()

_FIONBIO: Final = 0x5421
_F_GETFD, _F_SETFD, _F_GETFL, _F_SETFL = 1, 2, 3, 4
_PROT_EXEC: Final = 4
_PR_GET: Final = (3, 21, 39)  # dumpable, seccomp, no_new_privs: what the probe asks

_LD_W_ABS: Final = 0x20
_JEQ: Final = 0x15
_JGE: Final = 0x35
_JSET: Final = 0x45
_RET: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_KILL_PROCESS: Final = 0x80000000
_ERRNO: Final = 0x00050000
_NR, _ARCH, _ARGS = 0, 4, 16
_X32_BIT: Final = 0x40000000
_MODE_FILTER: Final = 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install_filter(libc: Libc) -> None:
    """Put the allow-list into force for this thread, for good. Needs NO_NEW_PRIVS; raises `OSError`, `NotLinux`."""
    code = compile_filter(machine())
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc.prctl(PR_SET_SECCOMP, _MODE_FILTER, ctypes.cast(ctypes.byref(program), ctypes.c_void_p))


def compile_filter(architecture: str) -> bytes:
    """Return the BPF program. Each allowed call is one comparison; four calls have their arguments looked at too."""
    numbers = syscall_numbers()
    refuse = _op(_RET, 0, 0, _ERRNO | errno.EPERM)
    allow = _op(_RET, 0, 0, _ALLOW)
    program = [
        _op(_LD_W_ABS, 0, 0, _ARCH),
        _op(_JEQ, 1, 0, AUDIT_ARCH[architecture]),
        _op(_RET, 0, 0, _KILL_PROCESS),
        _op(_LD_W_ABS, 0, 0, _NR),
        _op(_JGE, 0, 1, _X32_BIT),
        refuse,
    ]
    for name in ALLOWED:
        if name in numbers:
            program += [_op(_JEQ, 0, 1, numbers[name]), allow]
    # clone3 must look absent, so that the C library falls back to clone and gets its EPERM there.
    program += [_op(_JEQ, 0, 1, numbers["clone3"]), _op(_RET, 0, 0, _ERRNO | errno.ENOSYS)]
    program += _argument_is(numbers["ioctl"], 1, (_FIONBIO,))
    program += _argument_is(numbers["fcntl"], 1, (_F_GETFD, _F_SETFD, _F_GETFL, _F_SETFL))
    program += _argument_is(numbers["prctl"], 0, _PR_GET)
    program += _argument_lacks(numbers["mmap"], 2, _PROT_EXEC)
    program += _argument_lacks(numbers["mprotect"], 2, _PROT_EXEC)
    program += _argument_zero(numbers["prlimit64"], 2)
    program.append(refuse)
    return b"".join(program)


def _op(code: int, if_true: int, if_false: int, constant: int) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, constant)


def _argument_is(number: int, position: int, values: tuple[int, ...]) -> list[bytes]:
    """Allow the call only if the low word of that argument is one of `values`."""
    tests: list[bytes] = []
    for value in values:
        tests += [_op(_JEQ, 0, 1, value), _op(_RET, 0, 0, _ALLOW)]
    body = [_op(_LD_W_ABS, 0, 0, _ARGS + 8 * position), *tests, _op(_RET, 0, 0, _ERRNO | errno.EPERM)]
    return [_op(_JEQ, 0, len(body), number), *body]


def _argument_lacks(number: int, position: int, bits: int) -> list[bytes]:
    """Allow the call only if none of `bits` is set in that argument."""
    return [
        _op(_JEQ, 0, 4, number),
        _op(_LD_W_ABS, 0, 0, _ARGS + 8 * position),
        _op(_JSET, 0, 1, bits),
        _op(_RET, 0, 0, _ERRNO | errno.EPERM),
        _op(_RET, 0, 0, _ALLOW),
    ]


def _argument_zero(number: int, position: int) -> list[bytes]:
    """Allow the call only if both words of that argument (a pointer) are zero."""
    low, high = _ARGS + 8 * position, _ARGS + 8 * position + 4
    return [
        _op(_JEQ, 0, 6, number),
        _op(_LD_W_ABS, 0, 0, low),
        _op(_JEQ, 0, 3, 0),
        _op(_LD_W_ABS, 0, 0, high),
        _op(_JEQ, 0, 1, 0),
        _op(_RET, 0, 0, _ALLOW),
        _op(_RET, 0, 0, _ERRNO | errno.EPERM),
    ]
