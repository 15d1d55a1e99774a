"""Setting the PDF, in a process of its own that ends with it.

The typesetter takes more than 100 MB and gives nothing back while its process lives, which is a worker's memory for
weeks; and where a text brings it down, no worker goes with it. The process gets the printed texts and one instant, and
of the environment only what says where fonts lie.
"""

from __future__ import annotations

import os
import site
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

ACCESSIBLE: Final = "ua-1"
ANY: Final = "any"
EXIT_NO_GLYPH: Final = 3
"""As `typesetter` says, which is not imported here: the library's code alone is 10 MB."""
TIMEOUT_S: Final = 300
_KEPT: Final = ("HOME", "XDG_DATA_HOME", "XDG_DATA_DIRS")
_SMALL: Final = MappingProxyType({"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"})
"""What the typesetter frees goes back to the system at once (glibc)."""


class TypesettingFailed(Exception):
    """The typesetter gave no document."""


class LettersMissing(Exception):
    """Some letters are in no installed font, so the document cannot be an accessible one."""


def typeset(data: str, made_at: datetime, *, accessible: bool) -> bytes:
    """Return the report as PDF. The same data give the same bytes where the same fonts are installed.

    Raises `LettersMissing` where it cannot be accessible, `TypesettingFailed`.
    """
    roots = list(dict.fromkeys([*site.getsitepackages(), str(Path(__file__).parents[3])]))
    begin = f"import sys; sys.path += {roots!r}; from isthmus.audit.report.typesetter import main; sys.exit(main())"
    command = [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", begin]
    try:
        done = subprocess.run(
            [*command, made_at.astimezone(UTC).isoformat(), ACCESSIBLE if accessible else ANY],
            input=data.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # it may quote a text
            env={**_SMALL, **{name: os.environ[name] for name in _KEPT if name in os.environ}},
            cwd="/",
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"the typesetter took longer than {TIMEOUT_S} s"
        raise TypesettingFailed(message) from None
    if done.returncode == EXIT_NO_GLYPH:
        raise LettersMissing
    if done.returncode != 0 or not done.stdout:
        message = f"the typesetter ended with status {done.returncode}"
        raise TypesettingFailed(message)
    return done.stdout
