"""What can go wrong in a call, sorted by how it is answered."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

NOT_EMULATED: Final = "NOT_EMULATED"
_METHODS: Final = ("HEAD", "GET", "POST", "PUT", "PATCH", "DELETE")
_CODE_FIRST: Final = frozenset({404, 405, 410})
"""Refusals that come from before the data: these have the code before the message."""


class ApiError(Exception):
    """A refusal with Salesforce's own status, code and text; rendered as `[{"message","errorCode"[,"fields"]}]`."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        fields: Sequence[str] | None = None,
        *,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.fields = None if fields is None else list(fields)
        self.headers = headers
        self.others: tuple[ApiError, ...] = ()
        """More that is wrong with the same row; listed behind this one."""

    def payload(self) -> list[dict[str, object]]:
        """Return the JSON body of the answer."""
        entry: dict[str, object] = {"message": self.message, "errorCode": self.code}
        if self.status in _CODE_FIRST:
            entry = {"errorCode": self.code, "message": self.message}
        if self.fields is not None:
            entry["fields"] = self.fields
        return [entry, *(each for other in self.others for each in other.payload())]


class NotEmulated(Exception):
    """The real service knows this; the emulator does not, and says so with 501 instead of guessing."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    @property
    def message(self) -> str:
        """What the client's user reads."""
        return f"orgsim does not emulate this: {self.what}"

    def payload(self) -> list[dict[str, object]]:
        """Return the JSON body of the 501 answer."""
        return [{"message": self.message, "errorCode": NOT_EMULATED}]


def not_found(message: str = "The requested resource does not exist") -> ApiError:
    """Return the 404 for an unknown path, object or row."""
    return ApiError(404, "NOT_FOUND", message)


def method_not_allowed(method: str, allowed: Collection[str]) -> ApiError:
    """Return the 405 that lists what would have been allowed."""
    known = {"HEAD", *allowed} if "GET" in allowed else set(allowed)
    listed = ",".join(name for name in _METHODS if name in known)
    message = f"HTTP Method '{method}' not allowed. Allowed are {listed}"
    return ApiError(405, "METHOD_NOT_ALLOWED", message, headers=(("Allow", listed),))


def session_invalid(authorization: str = "") -> ApiError:
    """Return the 401 for a missing, unknown, expired or revoked token, or for another way to sign in."""
    scheme = authorization.partition(" ")[0].lower()
    if scheme and scheme not in {"bearer", "oauth"}:
        return ApiError(401, "INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE")
    return ApiError(401, "INVALID_SESSION_ID", "Session expired or invalid")
