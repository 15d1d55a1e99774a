"""What can go wrong in a call, sorted by how it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

NOT_EMULATED: Final = "NOT_EMULATED"


class ApiError(Exception):
    """A refusal with Salesforce's own status, code and text; rendered as `[{"message","errorCode"[,"fields"]}]`."""

    def __init__(self, status: int, code: str, message: str, fields: Sequence[str] | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.fields = None if fields is None else list(fields)

    def payload(self) -> list[dict[str, object]]:
        """Return the JSON body of the answer."""
        entry: dict[str, object] = {"message": self.message, "errorCode": self.code}
        if self.fields is not None:
            entry["fields"] = self.fields
        return [entry]


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


def method_not_allowed(method: str, allowed: Sequence[str]) -> ApiError:
    """Return the 405 that lists what would have been allowed."""
    message = f"HTTP Method '{method}' not allowed. Allowed are {','.join(allowed)}"
    return ApiError(405, "METHOD_NOT_ALLOWED", message)


def session_invalid() -> ApiError:
    """Return the 401 for a missing, unknown, expired or revoked token."""
    return ApiError(401, "INVALID_SESSION_ID", "Session expired or invalid")
