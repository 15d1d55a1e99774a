"""Dialling: a name is resolved once, each address judged, and that address dialled. Never in a mover."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from isthmus.values import OrgHost

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""Name and port to addresses as text."""


class PinnedDialer:
    """Dials orgs for one run (or one keeper). A name keeps its first addresses for the dialer's lifetime."""

    def __init__(self, *, loopback: bool, resolve: Resolve | None = None) -> None: ...

    async def dial(self, host: OrgHost) -> socket.socket:
        """Return a connected, non-blocking TCP socket. Raises `DialRefused` or `Unreachable`."""
        raise NotImplementedError
