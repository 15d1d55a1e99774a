"""R15: one person on two paid seats."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from isthmus.audit.benign import is_placeholder_address, is_role_address
from isthmus.audit.finding import Fact, Finding, Grade, Rule, Saving, Severity, Subject
from isthmus.audit.model import UserRow
from isthmus.audit.people import normal_email, normal_name, normal_number, username_stem
from isthmus.audit.rules import r09_integration
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R15",
    title="One person on several seats",
    saves="the seat used least recently, at the lowest price among them",
    doc=(
        "Active users on paid licences joined by the same employee number, e-mail address (without +tag and .invalid) "
        "or federation identifier: grade B. By the same name and department or manager, with user names that differ "
        "only in endings such as .old, .admin or a number: grade C. Four or more users on one address, number or "
        "identifier are a shared mailbox, not a person; integrations (R09) often have their keeper's address, and are "
        "not compared. Each sign that joins the seat used least recently to another one has a weight (number and "
        "identifier 4, address 3, name 2): 3 or more is grade B. "
        "A number such as 0 or n/a and an address such as noreply@ stand for none. Traps: one of the accounts was "
        "created within 30 days, so that the person may be moving to it; an admin twin; an external and an internal "
        "identity; an account that only software uses; a role's address (support@) that several people may read; all "
        "accounts in use within 30 days. In pseudonymous reports names are not compared."
    ),
    remedy="Ask the person which account is needed; move its records and deactivate the other.",
)
SHARED_MIN: Final = 4
IN_USE_DAYS: Final = 30
NEW_DAYS: Final = 30
_ADMIN: Final = re.compile(r"(?:^|[^a-z])(?:admin|adm|sysadmin)(?:[^a-z]|$)")
_WEIGHTS: Final = MappingProxyType({"employee number": 4, "federation identifier": 4, "e-mail address": 3, "name": 2})
SCORE_MIN: Final = 3
"""From this weight on the signs are exact: grade B."""


def check(view: View) -> Iterator[Finding]:
    """Yield one finding for each person, about the seat that is used least recently."""
    users = {user.id: user for user in view.seat_holders() if not _is_integration(view, user)}
    for members, signs in clusters(list(users.values())):
        ordered = sorted((users[m] for m in members), key=lambda user: (_last(view, user), user.id))
        idle = ordered[0]
        traps = _traps(view, ordered, frozenset[str]().union(*signs.values()))
        reasons = signs[idle.id]
        score = sum(_WEIGHTS[reason] for reason in reasons)
        grade = Grade.B if score >= SCORE_MIN else Grade.C
        yield Finding(
            rule="R15",
            subject=Subject.USER,
            subject_id=idle.id,
            pool=idle.license or "",
            severity=Severity.WARNING,
            grade=grade.lowered(len(traps)),
            why=f"Seems to be the same person as {', '.join(user.username for user in ordered[1:])}.",
            facts=(
                Fact("joined by", ", ".join(sorted(reasons))),
                Fact("weight of these signs", score),
                Fact("seats of the person", len(ordered)),
                Fact("last login here", view.last_seen(idle)),
                Fact("last login elsewhere", view.last_seen(ordered[-1])),
            ),
            traps=traps,
            saving=Saving.SEAT if grade.lowered(len(traps)) is not Grade.D else Saving.NONE,
            worth_of=tuple(sorted({user.license or "" for user in ordered[1:]})),
        )


def clusters(users: Sequence[UserRow]) -> list[tuple[list[str], Mapping[str, frozenset[str]]]]:
    """Return the groups of users who seem to be one person each, with what joins each of them to others."""
    parent: dict[str, str] = {}

    def root(member: str) -> str:
        while (above := parent.setdefault(member, member)) != member:
            member = above
        return member

    signs: dict[str, frozenset[str]] = defaultdict(frozenset)
    for reason, key in _KEYS:
        for ids in _sharing(users, key):
            if len(ids) >= SHARED_MIN:
                continue
            for other in ids[1:]:
                first, second = sorted((root(ids[0]), root(other)))
                parent[second] = first
            for member in ids:
                signs[member] |= {reason}
    members: dict[str, list[str]] = defaultdict(list)
    for member in parent:
        members[root(member)].append(member)
    return [(sorted(ids), {member: signs[member] for member in ids}) for _, ids in sorted(members.items())]


def _sharing(users: Sequence[UserRow], key: Callable[[UserRow], str]) -> list[list[str]]:
    """Return the ids of users who have the same key, in the order of keys. Most users share none: they cost no list."""
    first: dict[str, str] = {}
    groups: dict[str, list[str]] = {}
    for user in users:
        text = key(user)
        if text and first.setdefault(text, user.id) != user.id:
            groups.setdefault(text, [first[text]]).append(user.id)
    return [groups[text] for text in sorted(groups)]


def _email(user: UserRow) -> str:
    return "" if not user.email or is_placeholder_address(user.email) else normal_email(user.email)


def _employee(user: UserRow) -> str:
    return normal_number(user.employee_number or "")


def _federation(user: UserRow) -> str:
    return (user.federation_id or "").strip().casefold()


def _name_in_department(user: UserRow) -> str:
    return _name_with(user, user.department.casefold())


def _name_under_manager(user: UserRow) -> str:
    return _name_with(user, user.manager or "")


def _name_with(user: UserRow, more: str) -> str:
    if not more:
        return ""
    name, stem = normal_name(user.name), username_stem(user.username)
    return f"{name}|{stem}|{more}" if name and stem else ""


_KEYS: Final = (
    ("e-mail address", _email),
    ("employee number", _employee),
    ("federation identifier", _federation),
    ("name", _name_in_department),
    ("name", _name_under_manager),
)
"""What joins users: one key after the other, so that the keys of one kind are held at a time."""


def _is_integration(view: View, user: UserRow) -> bool:
    by_software = view.activity(user.id).machine_last is not None  # most people end here
    return by_software and r09_integration.evidence_of(view, user) is not None


def _last(view: View, user: UserRow) -> float:
    last = view.last_seen(user)
    return last.timestamp() if last is not None else 0.0


def _traps(view: View, members: Sequence[UserRow], reasons: frozenset[str]) -> tuple[str, ...]:
    traps: list[str] = []
    if any(view.within(user.created_at, NEW_DAYS) for user in members):
        traps.append(f"one of them was created within {NEW_DAYS} days: the person may be moving to it")
    admins = [_ADMIN.search(f"{u.username.partition('@')[0]} {u.name}".casefold()) is not None for u in members]
    if any(admins) and not all(admins):
        traps.append("one of them seems to be an administrator's second account")
    if len({user.external for user in members}) > 1:
        traps.append("an external and an internal identity of one person")
    uses = [view.activity(user.id) for user in members]
    if any(use.machine_last is not None and use.human_last is None for use in uses):
        traps.append("one of them is used by software only")
    if reasons == frozenset({"e-mail address"}) and all(is_role_address(normal_email(user.email)) for user in members):
        traps.append("joined by a role's address, which several people may read")
    if all(view.within(view.activity(user.id).human_last, IN_USE_DAYS) for user in members):
        traps.append("all of them were in use within 30 days")
    return tuple(traps)
