"""Landlock: no file, no TCP port, no abstract socket, no signal to others. All rights handled, none granted."""

from __future__ import annotations

import ctypes
import os
from typing import Final

from isthmus.sandbox.libc import SYS_LANDLOCK_CREATE_RULESET, SYS_LANDLOCK_RESTRICT_SELF, Libc

_VERSION_QUERY: Final = 1
_FS_BY_ABI: Final = ((1, 13), (2, 14), (3, 15), (5, 16))
_NET_BITS_BY_ABI: Final = ((4, 2),)
_SCOPE_BITS_BY_ABI: Final = ((6, 2),)


class _RulesetAttr(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


def landlock_abi(libc: Libc) -> int:
    """Return the kernel's Landlock ABI, 0 if it has none or it is switched off."""
    try:
        return libc.syscall(SYS_LANDLOCK_CREATE_RULESET, None, 0, _VERSION_QUERY)
    except OSError:
        return 0


def restrict_self(libc: Libc, abi: int) -> None:
    """Deny everything that Landlock of this ABI can deny. Needs NO_NEW_PRIVS; raises `OSError`.

    Rights newer than this text are found by asking the kernel bit by bit, so a newer kernel denies more by itself.
    """
    attributes = _RulesetAttr(
        _grown(libc, abi, 0, _bits(_FS_BY_ABI, abi)),
        _grown(libc, abi, 1, _bits(_NET_BITS_BY_ABI, abi)),
        _grown(libc, abi, 2, _bits(_SCOPE_BITS_BY_ABI, abi)),
    )
    ruleset = _create(libc, abi, attributes)
    libc.syscall(SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0)


def _bits(table: tuple[tuple[int, int], ...], abi: int) -> int:
    return max((bits for since, bits in table if abi >= since), default=0)


def _grown(libc: Libc, abi: int, place: int, bits: int) -> int:
    if bits == 0:
        return 0
    mask = (1 << bits) - 1
    for bit in range(bits, 64):
        fields = [0, 0, 0]
        fields[place] = 1 << bit
        try:
            ruleset = _create(libc, abi, _RulesetAttr(*fields))
        except OSError:
            return mask
        os.close(ruleset)
        mask |= 1 << bit
    return mask


def _create(libc: Libc, abi: int, attributes: _RulesetAttr) -> int:
    size = 8 if abi < 4 else 16 if abi < 6 else 24  # noqa: PLR2004 the structure grew with these ABIs
    pointer = ctypes.cast(ctypes.byref(attributes), ctypes.c_void_p)
    return libc.syscall(SYS_LANDLOCK_CREATE_RULESET, pointer, size, 0)
