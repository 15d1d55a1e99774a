"""The only kinds of value that may reach the database. Plain `str` and `bytes` are not among them.

A text that is to be stored has been parsed into one of the types below first, so a record's value, which is a plain
`str`, cannot be stored by mistake: the type checker refuses it, and `as_parameter` refuses it again at run time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Final, TypeAlias, cast
from uuid import UUID

from isthmus.values import Alias, ApiName, InvalidValue, OrgHost, Secret, UserText

_SALESFORCE_ID = re.compile(r"[A-Za-z0-9]{18}")
_USER_NAME = re.compile(r"[^\s\x00-\x1f\x7f@]{1,128}@[^\s\x00-\x1f\x7f@]{1,128}")
_SCOPES = re.compile(r"[a-z_]{1,40}(?: [a-z_]{1,40}){0,40}")
_LETTERS_PER_CHUNK: Final = 5
_CHECK_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_CASELESS_ID_LENGTH: Final = 15


class SalesforceId(str):
    """The id of an org or of its integration user (never of a record): 18 characters."""

    __slots__ = ()

    @classmethod
    def parse(cls, unverified_text: str) -> SalesforceId:
        """Return the id, lengthened from 15 to 18 characters where needed, or raise `InvalidValue`."""
        text = unverified_text
        if len(text) == _CASELESS_ID_LENGTH and text.isalnum():
            text += _id_suffix(text)
        if _SALESFORCE_ID.fullmatch(text) is None or not text.isascii():
            message = "a Salesforce id has 15 or 18 letters and digits"
            raise InvalidValue(message)
        return cls(text)


class SalesforceUsername(str):
    """The user name of an integration user, as shown beside its connection."""

    __slots__ = ()

    @classmethod
    def parse(cls, unverified_text: str) -> SalesforceUsername:
        """Return the name, or raise `InvalidValue`."""
        if _USER_NAME.fullmatch(unverified_text) is None:
            message = "a Salesforce user name has the form of an e-mail address"
            raise InvalidValue(message)
        return cls(unverified_text)


class ScopeList(str):
    """OAuth scopes, separated by blanks, in order of the alphabet."""

    __slots__ = ()

    @classmethod
    def of(cls, unverified_scopes: frozenset[str]) -> ScopeList:
        """Return the list, or raise `InvalidValue`."""
        text = " ".join(sorted(unverified_scopes))
        if _SCOPES.fullmatch(text) is None:
            message = "an OAuth scope has lower-case letters and underscores only"
            raise InvalidValue(message)
        return cls(text)


class AuditText(str):
    """Text of the five objects that an audit reads. Only `isthmus.audit.store` makes one."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that are meant to be stored: an envelope, a hash, a report, a describe."""

    content: bytes

    def __repr__(self) -> str:
        """Show the size only."""
        return f"<Blob of {len(self.content)} bytes>"


Scalar: TypeAlias = (
    UUID
    | int
    | bool
    | float
    | Decimal
    | datetime
    | date
    | timedelta
    | ApiName
    | Alias
    | UserText
    | SalesforceId
    | SalesforceUsername
    | ScopeList
    | AuditText
    | OrgHost
    | StrEnum
    | Blob
    | None
)
Storable: TypeAlias = (
    Scalar | list[UUID] | tuple[UUID, ...] | list[int] | tuple[int, ...] | list[ApiName] | tuple[ApiName, ...]
)
"""No `Sequence`: `bytes` is a sequence of `int`."""
_TEXTS: Final = (ApiName, Alias, UserText, SalesforceId, SalesforceUsername, ScopeList, AuditText)
_PLAIN: Final = (UUID, int, float, Decimal, datetime, date, timedelta)


class NotStorable(TypeError):
    """A value of a kind that may not be stored; the message names the kind, never the value."""


def as_parameter(value: object) -> object:  # noqa: PLR0911 one line per kind reads best
    """Return a storable value as the driver takes it, a `Secret` (for definer functions) as bytes.

    Judges again what the type checker has judged, for callers that silenced it. Raises `NotStorable`.
    """
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, _TEXTS):
        return str.__str__(value)
    if isinstance(value, Blob):
        return value.content
    if isinstance(value, OrgHost):
        return value.origin
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, (list, tuple)):
        return [as_parameter(item) for item in cast("list[object]", value)]
    message = f"a value of type {type(value).__name__} may not be stored; parse it into one of the storable types"
    raise NotStorable(message)


def _id_suffix(text: str) -> str:
    """Return the three characters that make a 15-character id safe where case is lost (Salesforce's own rule)."""
    suffix = ""
    for start in range(0, len(text), _LETTERS_PER_CHUNK):
        chunk = text[start : start + _LETTERS_PER_CHUNK]
        bits = sum(1 << position for position, letter in enumerate(chunk) if "A" <= letter <= "Z")
        suffix += _CHECK_LETTERS[bits]
    return suffix
