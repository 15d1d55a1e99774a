"""The words of the product as types: ids, checked names, and the only kinds of value that may be stored.

A value from outside is parsed once, at the edge, into one of these; past the edge nobody checks again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NewType, NoReturn, final
from uuid import UUID

TenantId = NewType("TenantId", UUID)
MemberId = NewType("MemberId", UUID)
OrgId = NewType("OrgId", UUID)
ConnectionId = NewType("ConnectionId", UUID)
SyncId = NewType("SyncId", UUID)
RunId = NewType("RunId", UUID)
AuditId = NewType("AuditId", UUID)

API_NAME_LENGTH_MAX: Final = 80
_API_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_ALIAS = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class InvalidValue(ValueError):
    """A value from outside that is not what its place demands; the message names the rule, never the value."""


class ApiName(str):
    """A Salesforce API name of an object, field or relationship. Make one with :meth:`parse`."""

    __slots__ = ()

    @classmethod
    def parse(cls, unverified_text: str) -> ApiName:
        """Return the name, or raise `InvalidValue` if it cannot be an API name."""
        if _API_NAME.fullmatch(unverified_text) is None:
            message = "an API name starts with a letter and has letters, digits and underscores only (80 at most)"
            raise InvalidValue(message)
        return cls(unverified_text)


class Alias(str):
    """The short name that a person gives a connected org: lower-case letters, digits and dashes."""

    __slots__ = ()

    @classmethod
    def parse(cls, unverified_text: str) -> Alias:
        """Return the alias (lower-cased), or raise `InvalidValue`."""
        text = unverified_text.strip().lower()
        if _ALIAS.fullmatch(text) is None:
            message = "an org alias has lower-case letters, digits and dashes only (40 at most)"
            raise InvalidValue(message)
        return cls(text)


class UserText(str):
    """Text that a member typed (a name, a definition). Made only in portal and cli, never from a record."""

    __slots__ = ()


class Purpose(StrEnum):
    """What a connection was granted for. An audit connection can never be used for a sync."""

    AUDIT = "audit"
    SYNC = "sync"


@dataclass(frozen=True, slots=True)
class OrgHost:
    """The one origin that a connection may talk to. `scheme` is http only for permitted loopback addresses."""

    scheme: str
    name: str
    port: int

    @property
    def origin(self) -> str:
        """`scheme://name[:port]`, the port only where it is not the scheme's own."""
        usual = {"https": 443, "http": 80}.get(self.scheme)
        return f"{self.scheme}://{self.name}" if self.port == usual else f"{self.scheme}://{self.name}:{self.port}"


@final
class Secret:
    """A token, key or password. Shows nothing of itself and cannot be pickled, compared or hashed."""

    __slots__ = ("_value",)
    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __init__(self, value: bytes | str) -> None:
        """Take the secret; a string is kept as its UTF-8 bytes."""
        self._value = value.encode() if isinstance(value, str) else value

    def reveal(self) -> bytes:
        """Return the secret itself. Each call is a place to review."""
        return self._value

    def reveal_text(self) -> str:
        """Return the secret as text. Each call is a place to review."""
        return self._value.decode()

    def __repr__(self) -> str:
        """Show that there is a secret, nothing more."""
        return "<Secret>"

    __str__ = __repr__

    def __format__(self, _spec: str, /) -> str:
        """Show that there is a secret, nothing more."""
        return "<Secret>"

    def __eq__(self, _other: object, /) -> NoReturn:
        """Refuse: secrets are compared with `hmac.compare_digest` only."""
        message = "a Secret is not comparable"
        raise TypeError(message)

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        message = "a Secret cannot be serialised"
        raise TypeError(message)
