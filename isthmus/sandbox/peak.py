"""The most memory that this process ever had, told at its end, when nothing can be opened any more."""

from __future__ import annotations

import os
import re
import resource
from dataclasses import dataclass
from typing import Final

_STATUS: Final = "/proc/self/status"
_STATUS_BYTES_MAX: Final = 64 * 1024
_PEAK: Final = re.compile(rb"^VmHWM:\s+([0-9]{1,12}) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """A look at one's own peak. `descriptor` is a status file opened before lockdown; None where there is none.

    `ru_maxrss` alone will not do: a process inherits its parent's across fork and exec, so a mover that a large worker
    started would report the worker's size.
    """

    descriptor: int | None

    @classmethod
    def prepare(cls) -> PeakMemory:
        """Open what will be read at the end. The kernel writes the file's content when it is read, not before."""
        try:
            return cls(os.open(_STATUS, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            return cls(None)

    @property
    def descriptors(self) -> frozenset[int]:
        """What must stay open for it."""
        return frozenset() if self.descriptor is None else frozenset({self.descriptor})

    def peak_kb(self) -> int:
        """Return the peak of resident memory in kB; to be asked once. Falls back to `ru_maxrss`."""
        try:
            content = b"" if self.descriptor is None else os.read(self.descriptor, _STATUS_BYTES_MAX)
        except OSError:
            content = b""
        found = _PEAK.search(content)
        return int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
