"""Starting many orgsim processes at the price of one: a process that has imported orgsim forks each of them.

Most of the time that an orgsim process takes to get ready goes into importing it. `python -m tests.support.orgsim_nursery`
imports it once; each message on its socket, a JSON list of arguments with two descriptors for standard output and
error, makes it fork a process that does with them what `orgsim` does on the command line. The answer is the process id
and a descriptor of the process. When the socket ends, its processes are ended and so does it.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL
from typing import NoReturn

MESSAGE_BYTES_MAX = 65_536
STDERR = 2
ROOT = Path(__file__).parents[2]


@dataclass(slots=True)
class Nursling:
    """A forked process, with what the tests need of `subprocess.Popen`."""

    pid: int
    _descriptor: int

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def wait(self, timeout: float) -> None:
        """Wait for its end; raises `subprocess.TimeoutExpired`."""
        if self._descriptor < 0:
            return
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        if not poll.poll(timeout * 1000):
            raise subprocess.TimeoutExpired("orgsim", timeout)
        os.close(self._descriptor)
        self._descriptor = -1

    def _send(self, number: signal.Signals) -> None:
        if self._descriptor >= 0:
            try:
                signal.pidfd_send_signal(self._descriptor, number)
            except ProcessLookupError:
                return


class Nursery:
    """The forking process, started when the first orgsim is wanted. Threads may share it."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def start(self, arguments: Sequence[str], stdout: int) -> Nursling:
        """Start `orgsim` with these arguments."""
        with self._lock:
            nursery = self._socket or self._begin()
            socket.send_fds(nursery, [json.dumps(arguments).encode()], [stdout, STDERR])
            answer, descriptors, _, _ = socket.recv_fds(nursery, MESSAGE_BYTES_MAX, 1)
        assert answer, "the nursery of orgsim processes ended"
        return Nursling(int(answer), descriptors[0])

    def close(self) -> None:
        """End it and all that it started."""
        if self._socket is not None and self._process is not None:
            self._socket.close()
            self._process.wait()

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "tests.support.orgsim_nursery", str(theirs.fileno())]
            self._process = subprocess.Popen(command, cwd=ROOT, stdin=DEVNULL, pass_fds=[theirs.fileno()])
        self._socket = ours
        return ours


def can_fork() -> bool:
    """Whether this system has what it takes."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


def _serve(requests: socket.socket) -> None:
    from orgsim.cli import main  # noqa: PLC0415 - only this process needs it, not all that import this module

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: who started us ends us
    gc.freeze()
    started: dict[int, int] = {}  # a descriptor of each process, and its id
    while True:
        _wait(requests, started)
        message, descriptors, _, _ = socket.recv_fds(requests, MESSAGE_BYTES_MAX, 2)
        if not message:
            break
        pid = os.fork()
        if pid == 0:
            _leave_nursery(requests, descriptors, started)
            _run(main, json.loads(message))
        for descriptor in descriptors:
            os.close(descriptor)
        handle = os.pidfd_open(pid)
        started[handle] = pid
        socket.send_fds(requests, [str(pid).encode()], [handle])
    for handle, pid in started.items():
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        os.waitpid(pid, 0)


def _wait(requests: socket.socket, started: dict[int, int]) -> None:
    """Wait for a message, or its end; bury what ends meanwhile, so that nobody meets a zombie."""
    while True:
        poll = select.poll()
        for descriptor in (requests.fileno(), *started):
            poll.register(descriptor, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll()}
        for handle in ready & set(started):
            os.waitpid(started.pop(handle), 0)
            os.close(handle)
        if requests.fileno() in ready:
            return


def _leave_nursery(requests: socket.socket, descriptors: Sequence[int], siblings: Iterable[int]) -> None:
    """Take on the state of a process that was started from a shell."""
    requests.close()
    for number, descriptor in enumerate(descriptors, start=1):
        os.dup2(descriptor, number)
    for descriptor in (*descriptors, *siblings):
        os.close(descriptor)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _run(main: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> NoReturn:
    status = 1
    try:
        status = main(arguments)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
