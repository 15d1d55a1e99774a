"""Dialling: a name is resolved once, each address judged, and that address dialled. Never in a mover.

Why one look-up: a second answer for the same name could lead elsewhere after the first was judged (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Final, TypeAlias

from isthmus.egress.errors import DialRefused, Unreachable
from isthmus.egress.hosts import Address, Permitted, is_loopback_name, judge_host, permit_address
from isthmus.values import OrgHost

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""Name and port to addresses as text; raises `OSError`."""

CONNECT_S: Final = 10.0
RESOLVE_S: Final = 15.0
ADDRESSES_MAX: Final = 8


class PinnedDialer:
    """Dials orgs for one run (or one keeper). A name keeps its first addresses for the dialer's lifetime."""

    def __init__(self, *, loopback: bool, resolve: Resolve | None = None) -> None:
        """Take the settings' word on loopback addresses; `resolve` is the system's resolver unless given."""
        self._loopback = loopback
        self._resolve = resolve or system_resolve
        self._pinned: dict[tuple[str, int], tuple[Address, ...]] = {}

    async def dial(self, host: OrgHost) -> socket.socket:
        """Return a connected, non-blocking TCP socket. Raises `DialRefused` or `Unreachable`."""
        denial = judge_host(host, loopback=self._loopback)
        if denial is not None:
            message = f"the host is refused: {denial.value}"
            raise DialRefused(message)
        for address in await self._addresses(host):
            sock = await connect_to(address, host.port)
            if sock is not None:
                return sock
        message = "none of the host's addresses answers"
        raise Unreachable(message)

    async def _addresses(self, host: OrgHost) -> tuple[Address, ...]:
        key = (host.name, host.port)
        if key not in self._pinned:
            self._pinned[key] = await self._judged(host)
        return self._pinned[key]

    async def _judged(self, host: OrgHost) -> tuple[Address, ...]:
        try:
            async with asyncio.timeout(RESOLVE_S):
                texts = await self._resolve(host.name, host.port)
        except (OSError, TimeoutError):
            message = "the host's name cannot be resolved"
            raise Unreachable(message) from None
        # A Salesforce name that leads to this machine is refused even where loopback orgs are allowed.
        loopback = self._loopback and is_loopback_name(host.name)
        addresses: list[Address] = []
        for text in texts[:ADDRESSES_MAX]:
            decision = permit_address(ip_address(text), loopback=loopback)
            if not isinstance(decision, Permitted):
                message = f"the host's name leads to an address that is refused: {decision.reason.value}"
                raise DialRefused(message)
            addresses.append(decision.address)
        if not addresses:
            message = "the host's name has no address"
            raise Unreachable(message)
        return tuple(dict.fromkeys(addresses))


async def system_resolve(name: str, port: int) -> list[str]:
    """Return the addresses of `name` as the system knows them. Raises `OSError`."""
    found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


async def connect_to(address: Address, port: int) -> socket.socket | None:
    """Return a connected, non-blocking socket, or None if nobody answers there. The address has been judged."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 the IP version
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    sock.setblocking(False)  # noqa: FBT003 positional by its signature
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(CONNECT_S):
            await asyncio.get_running_loop().sock_connect(sock, (str(address), port))
    except (OSError, TimeoutError):
        sock.close()
        return None
    except BaseException:
        sock.close()
        raise
    return sock
