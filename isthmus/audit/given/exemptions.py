"""People whom a finding would do wrong: on leave, seasonal, service accounts. Typed in by the customer, with an end.

CSV, one line for each person. Columns: `who` (e-mail address or user name), `reason` are needed; `kind` (leave,
seasonal, service, other) and `until` (ISO date, the last day that it holds; empty: no end) may be left out.
An exempt person's finding stays in the report, of grade D and without money, and says why and until when.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Final

import msgspec

from isthmus.audit.given.prices import PricesInvalid
from isthmus.audit.model import UserRow

EXEMPTIONS_MAX: Final = 100_000
REASON_LENGTH_MAX: Final = 200
_ABSENCE: Final = frozenset({"R06", "R07", "R08", "R08b", "R11", "R12", "R19", "R21"})


class ExemptionKind(StrEnum):
    """Why somebody is exempt; it decides from which rules."""

    LEAVE = "leave"
    SEASONAL = "seasonal"
    SERVICE = "service"
    OTHER = "other"

    def covers(self, rule: str) -> bool:
        """Whether a finding of this rule is excused. A service account is still asked about its licence (R09)."""
        if self is ExemptionKind.OTHER:
            return True
        return rule in _ABSENCE or (self is ExemptionKind.SERVICE and rule == "R15")


class Exemption(msgspec.Struct, frozen=True):
    """One line of the file. `until` is the last day on which it holds; None: no end."""

    who: str
    reason: str
    kind: ExemptionKind = ExemptionKind.OTHER
    until: date | None = None


class ExemptUser(msgspec.Struct, frozen=True):
    """An exemption that met a user."""

    user: str
    reason: str
    kind: ExemptionKind
    until: date | None


class Exempt(msgspec.Struct, frozen=True):
    """All exemptions as the audit uses them. `unmatched` lines met no user, or several."""

    users: tuple[ExemptUser, ...] = ()
    unmatched: int = 0


def parse_exemptions(unverified_text: str, name: str) -> tuple[Exemption, ...]:
    """Return the lines of an exemptions file. Raises `PricesInvalid` naming line and column."""
    reader = csv.DictReader(io.StringIO(unverified_text.removeprefix("\ufeff")))
    columns = {(column or "").strip().lower() for column in reader.fieldnames or ()}
    missing = sorted({"who", "reason"} - columns)
    if missing:
        message = f"{name}: a column is missing. It needs: {', '.join(missing)}."
        raise PricesInvalid(message)
    found: list[Exemption] = []
    seen: set[str] = set()
    for line, row in enumerate(reader, start=2):
        if len(found) >= EXEMPTIONS_MAX:
            message = f"{name}: more than {EXEMPTIONS_MAX} lines. Keep one for each person."
            raise PricesInvalid(message)
        cells = {(k or "").strip().lower(): (v or "").strip() for k, v in row.items() if k is not None}
        exemption = exemption_of(cells, f"{name}, line {line}")
        if exemption.who.casefold() in seen:
            message = f"{name}, line {line}: this person has a line already. Keep one for each person."
            raise PricesInvalid(message)
        seen.add(exemption.who.casefold())
        found.append(exemption)
    return tuple(found)


def exemption_of(cells: Mapping[str, str], where: str) -> Exemption:
    """Return one line of the file. Raises `PricesInvalid` naming `where`."""
    who, reason = cells.get("who", ""), cells.get("reason", "")
    if "@" not in who:
        message = f"{where}: who is missing or no address. Write the person's e-mail address or user name."
        raise PricesInvalid(message)
    if not reason or len(reason) > REASON_LENGTH_MAX:
        message = f"{where}: the reason is missing or too long. Say in a few words why."
        raise PricesInvalid(message)
    try:
        kind = ExemptionKind(cells.get("kind", "").lower() or "other")
    except ValueError:
        message = f"{where}: the kind is none of {', '.join(ExemptionKind)}. Write one of them, or leave it empty."
        raise PricesInvalid(message) from None
    try:
        until = date.fromisoformat(cells["until"]) if cells.get("until") else None
    except ValueError:
        message = f"{where}: until is no date. Write it as 2027-01-31."
        raise PricesInvalid(message) from None
    return Exemption(who, reason, kind, until)


def resolve(exemptions: Sequence[Exemption], users: Iterable[UserRow], *, named: bool = True) -> Exempt:
    """Return which users are meant: by user name, else by an e-mail address that one active user alone has.

    `named` False (pseudonymous reports) replaces the reason, in which a name may stand, by the kind.
    """
    return Directory(users).resolve(exemptions, named=named) if exemptions else Exempt()


class Directory:
    """Who is meant by a user name or an address."""

    def __init__(self, users: Iterable[UserRow]) -> None:
        """Take what users are called by."""
        self._by_username: dict[str, str] = {}
        self._by_email: dict[str, str | None] = {}
        for user in users:
            self._by_username[user.username.casefold()] = user.id
            if user.active and user.email:
                email = user.email.casefold()
                self._by_email[email] = None if email in self._by_email else user.id

    def __len__(self) -> int:
        """Count the names and addresses."""
        return len(self._by_username) + len(self._by_email)

    def resolve(self, exemptions: Iterable[Exemption], *, named: bool = True) -> Exempt:
        """Return which users are meant, as `resolve` does."""
        met: dict[str, ExemptUser] = {}
        unmatched = 0
        for item in exemptions:
            key = item.who.casefold()
            user_id = self._by_username.get(key) or self._by_email.get(key)
            if user_id is None or user_id in met:
                unmatched += 1
                continue
            met[user_id] = ExemptUser(user_id, item.reason if named else item.kind.value, item.kind, item.until)
        return Exempt(tuple(met[key] for key in sorted(met)), unmatched)
