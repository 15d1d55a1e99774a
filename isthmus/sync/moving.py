"""From an org's origin to a mover that may reach it and nothing else."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from isthmus.config import Settings
from isthmus.egress.dial import PinnedDialer
from isthmus.egress.errors import DialRefused
from isthmus.egress.hosts import HostDenied, parse_login_host
from isthmus.sandbox.spawn import MoverLimits
from isthmus.sync.drive import Moving


def moving_to(origins: Sequence[str], settings: Settings) -> Moving:
    """Return how to start a mover whose endpoint n is `origins[n]`. A refused origin shows when it is dialled."""
    loopback = settings.allow_loopback_http
    hosts = [parse_login_host(origin, allow_loopback_http=loopback) for origin in origins]
    dialer = PinnedDialer(loopback=loopback)

    async def dial(endpoint: int) -> socket.socket:
        host = hosts[endpoint]
        if isinstance(host, HostDenied):
            message = "the org's address is not one that we may talk to"
            raise DialRefused(message)
        return await dialer.dial(host)

    return Moving(
        dial=dial,
        limits=MoverLimits(),
        allow_no_sandbox=settings.allow_no_sandbox,
        loopback=loopback,
        ca_file=settings.ca_file,
    )
