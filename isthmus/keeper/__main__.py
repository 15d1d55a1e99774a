"""`python -m isthmus.keeper`: the process that holds the key. Exit status 2 and one line if it must not start.

`python -m isthmus.keeper rotate` seals everything under a new key and ends, with the new key's id on standard output;
no keeper may run meanwhile (`isthmus key rotate` sees to that).
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import sys
from typing import Final

from isthmus.clock import SystemClock
from isthmus.config import Settings, SettingsInvalid, read_settings
from isthmus.db.errors import EXIT_UNAVAILABLE, DatabaseError, Unavailable
from isthmus.egress.tls import NoRoots
from isthmus.keeper.hardening import harden
from isthmus.keeper.rotation import Rotated, RotationIncomplete, begin_rotation, finish_rotation
from isthmus.keeper.server import SocketInUse
from isthmus.keeper.world import open_custodian, run
from isthmus.vault.keys import KeyMissing, KeyUnusable
from isthmus.vault.sealed import SealBroken
from isthmus.vault.vault import WrongKey

EXIT_REFUSED: Final = 2
REFUSALS: Final = (
    SettingsInvalid,
    KeyMissing,
    KeyUnusable,
    WrongKey,
    SealBroken,
    RotationIncomplete,
    DatabaseError,
    SocketInUse,
    NoRoots,
)


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    logging.disable(logging.CRITICAL)  # no library of this process may write a line of its own
    try:
        swap_locked = harden()
        settings = read_settings(os.environ)
        if sys.argv[1:] == ["rotate"]:
            rotated = asyncio.run(_rotate(settings))
            print(f"{rotated.credentials} {rotated.key_id}")  # noqa: T201 the result, for the command
        else:
            asyncio.run(_serve(settings, swap_locked=swap_locked))
    except Unavailable as reason:
        print(f"keeper: {reason}", file=sys.stderr)  # noqa: T201 as below
        return EXIT_UNAVAILABLE
    except REFUSALS as reason:
        print(f"keeper: {reason}", file=sys.stderr)  # noqa: T201 the one line that says why it does not start
        return EXIT_REFUSED
    return 0


async def _serve(settings: Settings, *, swap_locked: bool) -> None:
    stop, ready = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    async with open_custodian(settings, clock=SystemClock(), random_bytes=secrets.token_bytes) as custodian:
        await run(settings, custodian, stop=stop, ready=ready, swap_locked=swap_locked)


async def _rotate(settings: Settings) -> Rotated:
    begin_rotation(settings, secrets.token_bytes)
    async with open_custodian(settings, clock=SystemClock(), random_bytes=secrets.token_bytes) as custodian:
        return await finish_rotation(settings, custodian)


if __name__ == "__main__":
    sys.exit(main())
