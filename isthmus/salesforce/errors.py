"""What an org's refusal means for the caller. Never a server's text, a value or an id: a code and a route name only."""

from __future__ import annotations

from typing import Final

from isthmus.egress.policy import RouteName
from isthmus.salesforce.status_code import StatusCode

UNREADABLE_JSON: Final = (ValueError, RecursionError, ArithmeticError)
"""What a decoder raises for a body that is no JSON of the wanted shape: wrong types or letters (`DecodeError` and
`UnicodeDecodeError` are ValueErrors), nesting without end, numbers beyond all bounds."""


class SalesforceError(Exception):
    """An org did not do what was asked. `route` names the request, `code` the org's own code (OTHER if unknown)."""

    def __init__(self, route: RouteName, code: StatusCode = StatusCode.OTHER, http_status: int = 0) -> None:
        """Keep the three facts; the message is made of them alone."""
        super().__init__(f"{route}: {code.name} ({http_status})")
        self.route = route
        self.code = code
        self.http_status = http_status


class Transient(SalesforceError):
    """The org was unavailable or the connection broke: the same work may be tried again later.

    `wait_s` is how long the org wants to be left alone (`Retry-After`), 0 if it did not say.
    """

    def __init__(
        self, route: RouteName, code: StatusCode = StatusCode.OTHER, http_status: int = 0, *, wait_s: float = 0.0
    ) -> None:
        """Keep the facts."""
        super().__init__(route, code, http_status)
        self.wait_s = wait_s


class Expired(SalesforceError):
    """The org does not accept the token, even after a renewal."""


class Limited(SalesforceError):
    """The org's API allowance is used up, or too many long requests run at once."""


class Refused(SalesforceError):
    """The org understood and refused: see `code`. The same request will be refused again."""


class Unexpected(SalesforceError):
    """The org's answer is not what its documentation promises, so nothing can be concluded from it."""


class Incomplete(SalesforceError):
    """Fewer or more rows came than the org had announced: the window must be read again."""


class LeaseLost(Exception):
    """No token may be had: revoked, in need of a person, no longer running, org unavailable, or the keeper is gone."""

    def __init__(self, reason: str) -> None:
        """Keep the reason: one of `LeaseRefusal`, or `lease.ENDED`."""
        super().__init__(reason)
        self.reason = reason
