"""One `isthmus up` (or key rotation) at a time on one installation."""

from __future__ import annotations

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from isthmus.cli.output import refuse
from isthmus.config import Settings
from isthmus.db.private_files import make_private_folder


@contextmanager
def only_one(settings: Settings) -> Generator[None]:
    """Hold the installation's lock; refuse where another `isthmus up` holds it."""
    make_private_folder(settings.home)
    with Path(settings.home / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            refuse(
                f"Isthmus is running already in {settings.home}.",
                "Stop that one first (Ctrl-C where it runs), or set ISTHMUS_HOME to another place.",
            )
        yield


def is_up(settings: Settings) -> bool:
    """Whether an `isthmus up` (or key rotation) holds the installation's lock just now."""
    try:
        with Path(settings.home / "up.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
