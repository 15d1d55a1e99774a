"""`python -m isthmus.cli.child PARENT GRACE_S MODULE`: run a process that does not outlive its supervisor.

A supervisor that is killed can end nobody. Without this its processes would go on without a database, hold the portal's
port, and make the next `isthmus up` believe that another program has it.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time
from typing import Final

from isthmus.sandbox.libc import PR_SET_PDEATHSIG, Libc

POLL_S: Final = 1.0


def main() -> None:
    """Tie this process to its parent, then be the module."""
    parent, grace_s, module = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    if sys.platform == "linux":
        Libc().prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            return
    threading.Thread(target=_watch, args=(parent, grace_s), daemon=True).start()
    sys.argv[1:] = []
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _watch(parent: int, grace_s: float) -> None:
    """End this process once the parent is gone, as the parent would have: politely, then for certain.

    A process that waits for the vanished database may not get to hear the polite signal.
    """
    while os.getppid() == parent:
        time.sleep(POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_s)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
