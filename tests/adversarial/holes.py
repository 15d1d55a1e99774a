# ruff: noqa: PTH102, PTH101, PTH104, PTH108, PTH208, PTH211, PLW0108 the calls themselves are what is tried
"""Ways out of a process. Each raises `OSError` (or `ImportError`) where it is closed and returns where it is open.

Run as a program it tries each in a process of its own, unconfined: the positive control.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from isthmus.sandbox.libc import Libc, syscall_numbers

PR_SET_NAME = 15
CLONE_NEWUSER = 0x10000000


def _call(name: str, *arguments: int | bytes | ctypes.c_void_p | None) -> int:
    return Libc().syscall(syscall_numbers()[name], *arguments)


def _vm_write() -> None:
    target = ctypes.create_string_buffer(b"old", 3)
    source = ctypes.create_string_buffer(b"new", 3)
    remote = (ctypes.c_void_p * 2)(ctypes.addressof(target), 3)
    local = (ctypes.c_void_p * 2)(ctypes.addressof(source), 3)
    _call(
        "process_vm_writev",
        os.getpid(),
        ctypes.cast(ctypes.byref(local), ctypes.c_void_p),
        1,
        ctypes.cast(ctypes.byref(remote), ctypes.c_void_p),
        1,
        0,
    )


def _thread() -> None:
    try:
        thread = threading.Thread(target=lambda: None)
        thread.start()
    except RuntimeError as error:
        raise PermissionError from error
    thread.join()


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _pass_descriptor() -> None:
    # Over a socket of the mover's own: refused by sendmsg itself.
    _call("sendmsg", 2, None, 0)


def _io_uring() -> None:
    parameters = ctypes.create_string_buffer(120)
    os.close(_call("io_uring_setup", 1, ctypes.cast(parameters, ctypes.c_void_p)))


def _signal_parent() -> None:
    os.kill(os.getppid(), 0)


def _ptrace() -> None:
    _call("ptrace", 0, 0, 0, 0)  # PTRACE_TRACEME


def holes(folder: Path, victim: Path) -> dict[str, Callable[[], object]]:
    new = folder / "new"
    return {
        "read a file": lambda: victim.read_text(),
        "read /proc/self/environ": lambda: Path("/proc/self/environ").read_bytes(),
        "list a folder": lambda: os.listdir(folder),
        "create a file": lambda: os.close(os.open(new, os.O_CREAT | os.O_WRONLY)),
        "append to a file": lambda: os.close(os.open(victim, os.O_APPEND | os.O_WRONLY)),
        "truncate a file": lambda: os.truncate(victim, 0),
        "make an unnamed file": lambda: os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY)),
        "make a folder": lambda: os.mkdir(folder / "d"),
        "make a symbolic link": lambda: os.symlink("x", folder / "l"),
        "make a fifo": lambda: os.mkfifo(folder / "f"),
        "rename": lambda: os.rename(victim, folder / "renamed") or os.rename(folder / "renamed", victim),
        "delete": lambda: os.unlink(victim) or victim.write_text("x"),
        "write to /dev/shm": lambda: os.close(os.open(f"/dev/shm/h{os.getpid()}", os.O_CREAT | os.O_RDWR)),
        "change a mode": lambda: os.chmod(victim, 0o600),
        "change a time": lambda: os.utime(victim),
        "set an attribute": lambda: os.setxattr(victim, "user.x", b"x"),
        "open a TCP socket": lambda: socket.socket().close(),
        "open a UDP socket": lambda: socket.socket(type=socket.SOCK_DGRAM).close(),
        "open a unix socket": lambda: socket.socket(socket.AF_UNIX).close(),
        "open a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close(),
        "make a socket pair": lambda: [end.close() for end in socket.socketpair()],
        "pass a descriptor on": _pass_descriptor,
        "resolve a name": lambda: socket.getaddrinfo("localhost", 80),
        "fork": _fork,
        "start a thread": _thread,
        "execute": lambda: subprocess.run(["/bin/true"], check=True),
        "signal the parent": _signal_parent,
        "trace": _ptrace,
        "write into a process": _vm_write,
        "make an anonymous file": lambda: os.close(os.memfd_create("x")),
        "share memory": lambda: _call("shmget", 0, mmap.PAGESIZE, 0o1600),
        "store a key": lambda: _call("add_key", b"user", b"isthmus-test", b"x", 1, -2),
        "set up io_uring": _io_uring,
        "make a user namespace": lambda: _call("unshare", CLONE_NEWUSER),
        "rename the process": lambda: _call("prctl", PR_SET_NAME, b"leak", 0, 0, 0),
        "become dumpable": lambda: Libc().prctl(4, 1),
        "map executable memory": lambda: mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_EXEC | mmap.PROT_READ).close(),
        "raise a limit": lambda: resource.setrlimit(resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE)),
        "make a pipe": lambda: [os.close(end) for end in os.pipe()],
        "duplicate a descriptor": lambda: os.close(os.dup(1)),
        "import a module": lambda: __import__("mailbox"),
        "set a timer": lambda: signal.setitimer(signal.ITIMER_REAL, 0),
    }


def is_open(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (OSError, ImportError, ValueError):
        return False
    return True


def _control(folder: Path) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for name in holes(folder, folder / "victim"):
        (folder / "victim").write_text("victim")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if is_open(holes(folder, folder / "victim")[name]) else 1
            finally:
                os._exit(status)
        found[name] = os.waitpid(child, 0)[1] == 0
    return found


if __name__ == "__main__":
    print(json.dumps(_control(Path(sys.argv[1]))))
