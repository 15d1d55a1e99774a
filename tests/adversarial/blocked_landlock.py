"""Runs the rest of the command line on a kernel that seems to have no Landlock, as in an old container runtime."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

from isthmus.sandbox.libc import PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SYS_LANDLOCK_CREATE_RULESET, Libc


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def main() -> None:
    code = b"".join(
        struct.pack("=HBBI", *operation)
        for operation in (
            (0x20, 0, 0, 0),
            (0x15, 0, 1, SYS_LANDLOCK_CREATE_RULESET),
            (0x06, 0, 0, 0x00050000 | errno.ENOSYS),
            (0x06, 0, 0, 0x7FFF0000),
        )
    )
    buffer = ctypes.create_string_buffer(code, len(code))
    program = Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = Libc()
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1)
    libc.prctl(PR_SET_SECCOMP, 2, ctypes.cast(ctypes.byref(program), ctypes.c_void_p))
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
