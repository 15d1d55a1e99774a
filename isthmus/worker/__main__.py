"""`python -m isthmus.worker`: a worker process. Exit status 2 and one line if it cannot start."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Final

from isthmus.clock import SystemClock
from isthmus.config import Settings, SettingsInvalid, read_settings
from isthmus.db.errors import EXIT_UNAVAILABLE, DatabaseError, Unavailable
from isthmus.egress.tls import NoRoots
from isthmus.journal import Journal, silence_libraries
from isthmus.notices.channels import ChannelsRefused
from isthmus.sandbox.libc import Libc
from isthmus.worker.app import run_worker

EXIT_REFUSED: Final = 2
LOG_MODE: Final = 0o600


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    silence_libraries()
    Libc().give_back_large_blocks()
    try:
        asyncio.run(_serve(read_settings(os.environ)))
    except Unavailable as reason:
        print(f"worker: {reason}", file=sys.stderr)  # noqa: T201 - as below
        return EXIT_UNAVAILABLE
    except (SettingsInvalid, DatabaseError, ChannelsRefused, NoRoots) as reason:
        print(f"worker: {reason}", file=sys.stderr)  # noqa: T201 - the one line that says why it does not start
        return EXIT_REFUSED
    return 0


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    clock = SystemClock()
    settings.log_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(settings.log_dir / "worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, LOG_MODE)
    with os.fdopen(handle, "a", buffering=1) as log:
        journal = Journal("worker", log.write, clock)
        await run_worker(settings, clock=clock, journal=journal, pid=os.getpid(), stop=stop)


if __name__ == "__main__":
    sys.exit(main())
