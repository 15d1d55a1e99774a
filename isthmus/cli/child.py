"""`python -m isthmus.cli.child PARENT MODULE`: run a process of the product that does not outlive its supervisor.

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
    parent, module = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        Libc().prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            return
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    sys.argv[1:] = []
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
