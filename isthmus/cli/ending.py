"""What ended a command early, as one message with its remedy.

The text of an exception that nobody foresaw is never shown: it may hold data. Its type and the line of ours are enough.
"""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, cast

import click

from isthmus.cli.refusal import Refused
from isthmus.db.errors import DatabaseUnusable

_DISK_REMEDIES: Final[Mapping[int, str]] = MappingProxyType(
    {
        errno.EACCES: "Give the user that runs Isthmus access to it, or choose another place.",
        errno.EPERM: "Give the user that runs Isthmus access to it, or choose another place.",
        errno.EROFS: "The disk is read-only. Choose another place.",
        errno.ENOSPC: "The disk is full. Make room, then run the command again.",
        errno.EDQUOT: "The disk quota is used up. Make room, then run the command again.",
        errno.ENOTDIR: "A file lies where a folder is needed. Move it away, or choose another place.",
        errno.EISDIR: "A folder lies where a file is needed. Move it away, or choose another place.",
        errno.EEXIST: "A file lies where a folder is needed. Move it away, or choose another place.",
        errno.ENOENT: "Check the path; what it should lie in does not exist and cannot be made.",
        errno.ENAMETOOLONG: "Choose a shorter path.",
        errno.EMFILE: "This user may open no more files. Raise the limit: ulimit -n 4096",
        errno.ENFILE: "This machine has no more file handles. Close other programs.",
        errno.EAGAIN: "This user may start no more processes. Raise the limit: ulimit -u",
        errno.ENOMEM: "The memory is full. Close other programs, then run the command again.",
    }
)


def told(ended: BaseException) -> tuple[str, str]:
    """Return what ended a command, and what to do about it."""
    match ended:
        case Refused():
            return ended.what, ended.remedy
        case click.ClickException():
            context = ended.ctx if isinstance(ended, click.UsageError) else None
            path = context.command_path if context is not None else "isthmus"
            return ended.format_message(), f"See `{path} --help`."
        case KeyboardInterrupt() | click.Abort():
            return "Stopped before it was done.", "Run the command again; nothing half-done stands in its way."
        case DatabaseUnusable():
            what, _, remedy = str(ended).partition(". ")
            return (
                f"{what[:1].upper()}{what[1:].rstrip('.')}.",
                remedy or "Run `isthmus doctor`; it says what is wrong.",
            )
        case OSError(errno=int(number), filename=filename) if number in _DISK_REMEDIES:
            place = f": {filename}" if isinstance(filename, str) else ""
            return f"{os.strerror(number)}{place}.", _DISK_REMEDIES[number]
        case _:
            return (
                f"Isthmus met a fault of its own: {_fault(ended)}.",
                "Please report this line as a bug. `isthmus doctor` says whether something on this machine is wrong.",
            )


def _fault(ended: BaseException) -> str:
    """Return the innermost type of an exception, and the last line of ours that it passed."""
    innermost = _innermost(ended)
    place = ""
    for frame, line in traceback.walk_tb(innermost.__traceback__):
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith("isthmus."):
            place = f" in {module}, line {line}"
    return type(innermost).__name__ + place


def _innermost(ended: BaseException) -> BaseException:
    if isinstance(ended, BaseExceptionGroup):
        return _innermost(cast("BaseExceptionGroup[BaseException]", ended).exceptions[0])
    return ended
