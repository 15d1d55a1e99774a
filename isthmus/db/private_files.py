"""Files and folders that only their owner may open."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from isthmus.db.errors import DatabaseUnusable

PRIVATE_FILE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700
OTHERS: Final = 0o077


def make_private_folder(folder: Path) -> None:
    """Make `folder` with mode 0700, and its parents with the usual mode; an empty one is closed to others.

    Raises `DatabaseUnusable` for one that others may enter and that holds something: it may be /etc or /tmp.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    if stat.S_IMODE(folder.stat().st_mode) & OTHERS and any(folder.iterdir()):
        message = (
            f"{folder} holds things already, and others may enter it. "
            f"Name another (ISTHMUS_HOME, ISTHMUS_SECRETS_DIR). Only if this one is Isthmus' own: chmod 700 {folder}"
        )
        raise DatabaseUnusable(message)
    folder.chmod(PRIVATE_FOLDER)


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file of mode 0600 whole or not at all, replacing one that is there."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
