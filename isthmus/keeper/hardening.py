"""What a process that holds keys does to itself before it reads one: no dump, no core, no swap where allowed."""

from __future__ import annotations

import ctypes
import resource
import sys
from typing import Final

_PR_GET_DUMPABLE: Final = 3
_PR_SET_DUMPABLE: Final = 4
_MCL_CURRENT: Final = 1
_MCL_FUTURE: Final = 2
_MCL_ONFAULT: Final = 4
"""What was touched stays in memory; what nobody has touched (most of each library) need not come into it."""


def harden() -> bool:
    """Close the process to debuggers and core files; returns whether its memory is kept out of the swap too."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        message = "the kernel does not let this process close itself to debuggers"
        raise OSError(ctypes.get_errno(), message)
    # Needs the right to lock memory (LimitMEMLOCK=infinity, or root); without it the trust page says so.
    return bool(libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0)


def dumpable() -> bool:
    """Whether debuggers and core files may read this process."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)


def core_limit() -> int:
    """How many bytes of core file the system may write for this process."""
    return resource.getrlimit(resource.RLIMIT_CORE)[0]
