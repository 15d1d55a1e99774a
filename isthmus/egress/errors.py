"""What can go wrong between us and an org, sorted by what the caller does next. No text of a server is ever inside."""

from __future__ import annotations


class EgressError(Exception):
    """Nothing usable came back. The message is a fixed text plus, at most, the name of a route."""


class RequestDenied(EgressError):
    """The policy refused to build the request; nothing was sent. A fault of ours, never to be retried."""


class DialRefused(EgressError):
    """The address or the host is not one we may talk to; nothing was sent."""


class Unreachable(EgressError):
    """No connection could be made: name unknown, refused, no route, timed out. Nothing was sent; may be retried."""


class TlsRefused(EgressError):
    """The server could not prove that it is the host (chain, name, expiry, version). Nothing was sent."""


class Interrupted(EgressError):
    """The connection broke or fell silent after the request began: whether it took effect is unknown."""


class ReplyTooLarge(EgressError):
    """The reply exceeds the route's limit; it was cut and discarded."""
