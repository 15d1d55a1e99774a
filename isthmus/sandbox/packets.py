"""Packets between a parent and its mover: whole messages over a socket pair, and the handing over of a long job."""

from __future__ import annotations

import socket
import struct
import sys
from typing import Final

PACKET_BYTES_MAX: Final = 64 * 1024
SEND_BUFFER_BYTES: Final = 1024 * 1024
JOB_BYTES_MAX: Final = 64 * 1024 * 1024
_JOB_CHUNK: Final = 60 * 1024
_JOB_HEAD: Final = struct.Struct("<4sQ")
_JOB_MAGIC: Final = b"job1"

SANDBOX: Final = b"S"
MESSAGE: Final = b"M"
EXIT: Final = b"X"
STOP: Final = b"Q"
ANSWER: Final = b"A"
"""First byte of each packet on the control socket: the mover's confinement, a report, its end; our wish to stop, and
what a viewer answers to a look, sealed."""

DIAL_REQUEST: Final = struct.Struct("<IH")
"""Mover → parent: number of the request, index of the endpoint."""
DIAL_REPLY: Final = struct.Struct("<IB")
"""Parent → mover: number of the request, `DIAL_*`; with DIAL_OK the socket itself comes by SCM_RIGHTS."""
DIAL_OK: Final = 0
DIAL_REFUSED: Final = 1
DIAL_UNREACHABLE: Final = 2
EXIT_FRAME: Final = struct.Struct("<HHQQ")
"""failure, detail, CPU microseconds, peak memory in KiB."""


def packet_pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets that keep message borders, not inheritable, non-blocking.

    SEQPACKET reports the other side's end; macOS lacks it, so there datagrams serve (the process's end is seen anyway).
    """
    kind = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_DGRAM
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        end.setblocking(False)  # noqa: FBT003 positional by its signature
    return ours, theirs


def job_packets(job: bytes) -> list[bytes]:
    """Cut `job` into packets: a head that tells the length, then the bytes. Raises `ValueError` if it is too long."""
    if len(job) > JOB_BYTES_MAX:
        message = f"a job has at most {JOB_BYTES_MAX} bytes"
        raise ValueError(message)
    pieces = [job[start : start + _JOB_CHUNK] for start in range(0, len(job), _JOB_CHUNK)]
    return [_JOB_HEAD.pack(_JOB_MAGIC, len(job)), *pieces]


def receive_job(control: socket.socket) -> bytes:
    """Read a job from a *blocking* socket. Raises `ConnectionError` if the parent goes away or sends something else."""
    head = control.recv(PACKET_BYTES_MAX)
    if len(head) != _JOB_HEAD.size:
        message = "no job came"
        raise ConnectionError(message)
    magic, length = _JOB_HEAD.unpack(head)
    parts: list[bytes] = []
    missing: int = length
    if magic != _JOB_MAGIC or length > JOB_BYTES_MAX:
        message = "what came is no job"
        raise ConnectionError(message)
    while missing > 0:
        part = control.recv(PACKET_BYTES_MAX)
        if not part or len(part) > missing:
            message = "the job came incomplete"
            raise ConnectionError(message)
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
