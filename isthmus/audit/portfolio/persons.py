"""Who holds paid seats in several orgs: joined by what, how surely, and never by what several people share. Pure.

| joined by | grade |
|---|---|
| the same e-mail address (lower case, without +tag) | B |
| the same federation identifier: itself an address, else together with the same name | B |
| the same employee number together with the same name: companies that merge have the same numbers twice | C |

No addresses are joined that are a role's (admin@, support@), a placeholder's (noreply@, name@example.com) or unusable
(ending in .invalid: a copy of an org has its users once more); and nothing that four seats of one org have in common.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from isthmus.audit.benign import is_placeholder_address, is_role_address
from isthmus.audit.model import UserRow
from isthmus.audit.money import ZERO, annual
from isthmus.audit.people import normal_email, normal_name, normal_number
from isthmus.audit.rules.r15_duplicate import IN_USE_DAYS, SHARED_MIN

PERSONS_MAX: Final = 1_000
"""Persons that are listed; all of them are counted."""
EMAIL: Final = "e-mail address"
FEDERATION: Final = "federation identifier"
NUMBER: Final = "employee number and name"
_WEAK: Final = frozenset({NUMBER})
_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_SHORT_MAX: Final = 200
"""Longer keys join nobody: what is stored of them is cut."""


class Keys(NamedTuple):
    """What a user is compared by over orgs; each is empty where it says nothing."""

    email: str = ""
    federation: str = ""
    number: str = ""


class Holder(msgspec.Struct, frozen=True):
    """Somebody who holds a paid seat in an org. The keys are what persons are compared by; `price` a month."""

    key: str
    org: str
    user: str
    name: str
    username: str
    license: str
    last_login_at: datetime | None
    last_human_at: datetime | None
    taken_at: datetime
    price: Decimal | None
    currency: str | None
    federation_key: str = ""
    number_key: str = ""


class Person(msgspec.Struct, frozen=True):
    """Somebody with paid seats in several orgs. The seat used least recently is in question, at the lowest price.

    `basis` says by what the seats are joined, `email` is empty where it is not by an address. Grade B: joined by an
    address or a federation identifier. C: by an employee number, or a trap applies. `annual` is None where a price is
    missing or currencies differ.
    """

    email: str
    grade: str
    traps: tuple[str, ...]
    seats: tuple[Holder, ...]
    idle_org: str
    annual: Decimal | None
    currency: str | None
    basis: tuple[str, ...] = (EMAIL,)


class AtRisk(msgspec.Struct, frozen=True):
    """Seats of persons and what they cost a year in one currency (None: without a price)."""

    grade: str
    currency: str | None
    seats: int
    annual: Decimal | None


class Persons(msgspec.Struct, frozen=True):
    """Persons who hold paid seats in several orgs. Their money is at risk and overlaps with the orgs' own figures.

    `not_compared` are orgs without an audit, with pseudonyms for names, or whose seats cost nothing (sandboxes).
    """

    persons: tuple[Person, ...]
    count: int
    at_risk: tuple[AtRisk, ...]
    not_compared: tuple[str, ...]
    note: str = "These seats overlap with the findings of each org: do not add them to any other figure."


def keys_of(user: UserRow, *, pseudonymous: bool) -> Keys:
    """Return what the user is compared by over orgs: nothing where names are pseudonyms."""
    if pseudonymous:
        return Keys()
    name = normal_name(user.name)
    given, number = (user.federation_id or "").strip().casefold(), normal_number(user.employee_number or "")
    federation = _address(given) if "@" in given else f"{given}|{name}" if normal_number(given) and name else ""
    found = Keys(_address(user.email), federation, f"{number}|{name}" if number and name else "")
    return Keys(*(key if len(key) <= _SHORT_MAX else "" for key in found))


def _address(text: str) -> str:
    """Return an address as persons are compared by it; empty for one that may be several people's or nobody's."""
    if text.strip().casefold().endswith(".invalid"):
        return ""
    address = normal_email(text)
    shared = is_role_address(address) or is_placeholder_address(address)
    return "" if shared or _ADDRESS.fullmatch(address) is None else address


def persons_in(holders: Iterable[Holder], blind: AbstractSet[str], hidden: tuple[str, ...]) -> Persons:
    """Return the persons among the holders. `blind` orgs do not show who is active, `hidden` ones were not compared."""
    found = [person for seats, basis in _joined(list(holders)) if (person := _person(seats, basis, blind)) is not None]
    found.sort(key=lambda person: (person.grade, -(person.annual or ZERO), person.email, person.seats[0].user))
    at_risk: dict[tuple[str, str | None], list[Person]] = defaultdict(list)
    for person in found:
        at_risk[person.grade, person.currency].append(person)
    return Persons(
        persons=tuple(found[:PERSONS_MAX]),
        count=len(found),
        at_risk=tuple(
            AtRisk(grade, currency, len(of), sum((p.annual or ZERO for p in of), ZERO) if currency else None)
            for (grade, currency), of in sorted(at_risk.items(), key=lambda item: (item[0][0], item[0][1] or ""))
        ),
        not_compared=hidden,
    )


def _joined(holders: Sequence[Holder]) -> Iterator[tuple[tuple[Holder, ...], tuple[str, ...]]]:
    """Yield the seats that have a key in common, directly or through another one, and by which keys."""
    above = list(range(len(holders)))

    def root(seat: int) -> int:
        while above[seat] != seat:
            above[seat] = above[above[seat]]
            seat = above[seat]
        return seat

    joins: list[tuple[int, str]] = []
    for basis, group in _groups(holders):
        for other in group[1:]:
            above[root(other)] = root(group[0])
        joins.append((group[0], basis))
    found: dict[int, list[Holder]] = defaultdict(list)
    for seat, holder in enumerate(holders):
        found[root(seat)].append(holder)
    by: dict[int, set[str]] = defaultdict(set)
    for seat, basis in joins:
        by[root(seat)].add(basis)
    for top in sorted(by):
        seats = tuple(sorted(found[top], key=lambda holder: (holder.org, holder.user)))
        yield seats, tuple(basis for basis in (EMAIL, FEDERATION, NUMBER) if basis in by[top])


def _groups(holders: Sequence[Holder]) -> Iterator[tuple[str, list[int]]]:
    """Yield what joins seats and which, one kind of key after the other."""
    for basis, field in ((EMAIL, "key"), (FEDERATION, "federation_key"), (NUMBER, "number_key")):
        groups: dict[str, list[int]] = defaultdict(list)
        for seat, holder in enumerate(holders):
            if key := getattr(holder, field):
                groups[key].append(seat)
        yield from ((basis, group) for group in groups.values() if _is_one(holders, group))


def _is_one(holders: Sequence[Holder], group: Sequence[int]) -> bool:
    """Whether seats with one key may be one person's: in several orgs, and in none of them what many share."""
    orgs = [holders[seat].org for seat in group]
    return len(set(orgs)) > 1 and all(orgs.count(org) < SHARED_MIN for org in set(orgs))


def _person(seats: tuple[Holder, ...], basis: tuple[str, ...], blind: AbstractSet[str]) -> Person | None:
    """Return the person behind these seats, or None: so many in one org are several people's."""
    orgs = {seat.org for seat in seats}
    if any(sum(1 for seat in seats if seat.org == org) >= SHARED_MIN for org in orgs):
        return None
    # Of each org the seat that was used last stands for the person there.
    there = [max((seat for seat in seats if seat.org == org), key=_last) for org in sorted(orgs)]
    idle = min(there, key=lambda seat: (_last(seat), seat.org))
    traps: list[str] = []
    if set(basis) <= _WEAK:
        traps.append("joined by an employee number and a name only, which two companies may have given to two people")
    if all(_in_use(seat) for seat in there):
        traps.append(f"in use within {IN_USE_DAYS} days in every org")
    if len({normal_name(seat.name) for seat in there}) > 1:
        traps.append("their names differ: several people may share what joins them")
    if any(_by_software(seat) for seat in there):
        traps.append("one of them seems to be used by software only")
    if unseen := sorted(orgs & blind):
        traps.append(f"who is active cannot be seen in {', '.join(unseen)}")
    currencies = {seat.currency for seat in there}
    priced = [seat.price for seat in there if seat.price is not None] if len(currencies) == 1 else []
    known = len(priced) == len(there)
    return Person(
        email=next((seat.key for seat in seats if seat.key), "") if EMAIL in basis else "",
        grade="C" if traps else "B",
        traps=tuple(traps),
        seats=seats,
        idle_org=idle.org,
        annual=annual(min(priced), 1) if known else None,
        currency=there[0].currency if known else None,
        basis=basis,
    )


def _last(seat: Holder) -> float:
    return seat.last_login_at.timestamp() if seat.last_login_at is not None else 0.0


def _in_use(seat: Holder) -> bool:
    return seat.last_human_at is not None and seat.last_human_at > seat.taken_at - timedelta(days=IN_USE_DAYS)


def _by_software(seat: Holder) -> bool:
    """Whether somebody logged in within the last days, and never a person as far as the history shows."""
    recent = seat.last_login_at is not None and seat.last_login_at > seat.taken_at - timedelta(days=IN_USE_DAYS)
    return recent and seat.last_human_at is None
