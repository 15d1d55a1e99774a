"""R09: an integration that sits on a full licence."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from isthmus.audit.benign import named_for_software
from isthmus.audit.finding import HISTORY_DAYS_MIN, Fact, Finding, Grade, Rule, Saving, Severity, Subject
from isthmus.audit.login_table import DAYS_A_WEEK
from isthmus.audit.model import LoginKind, UserRow
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R09",
    title="Integration on a full licence",
    saves="the seat, less the price of a Salesforce Integration licence",
    doc=(
        "Active internal user on a paid licence with 20 or more logins by software in the last 13 weeks, none in "
        "person, and software making up 99 % of all logins. Grade B if a login used client credentials, user name and "
        "password by OAuth, or the API itself; C if a person once let the software in. Free seats of Salesforce "
        "Integration are used up first, for the surest findings that count (not for accounts that are exempt or put "
        "off); beyond them the seat is valued only if you give the price of Salesforce Integration. Traps: a "
        "login in person earlier in the history (renewed consent, or a shared account). A name such as svc or "
        "integration is shown, never decides. Whether dashboards or flows run as this user, and whether the software "
        "and its packages work on the lighter licence, cannot be seen."
    ),
    remedy=(
        "Put it on a Salesforce Integration licence and check that the software and its packages run there. Plan with "
        "a new user: whether Salesforce lets the present one change its licence is not known from these data."
    ),
)
WEEKS: Final = 13
LOGINS_MIN: Final = 20
SHARE_MIN_PERCENT: Final = 99
INTEGRATION: Final = "Salesforce Integration"
FREE_SEAT: Final = "free Salesforce Integration seat"
_SURE: Final = frozenset({LoginKind.MACHINE, LoginKind.API})
_SOFTWARE: Final = _SURE | {LoginKind.SEEDED}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the logins of 13 weeks say: how many by software, whether by certain means, the last in person before."""

    software: int
    all: int
    sure: bool
    in_person_before: datetime | None


def check(view: View) -> Iterator[Finding]:
    """Yield one finding for each integration, the surest first. Who gets a free seat is decided later, by `allot`."""
    hits = [(user, found) for user in view.seat_holders() if (found := evidence_of(view, user)) is not None]
    hits.sort(key=lambda hit: (_grade(hit[1]), hit[0].id))
    pool, _ = free_seats(view)
    for user, found in hits:
        traps = () if found.in_person_before is None else ("logged in in person earlier in the history",)
        yield Finding(
            rule="R09",
            subject=Subject.USER,
            subject_id=user.id,
            pool=user.license or "",
            severity=Severity.WARNING,
            grade=_grade(found),
            why=f"{found.software} logins by software in {WEEKS} weeks and none in person, on a paid seat.",
            facts=(
                Fact("logins by software", found.software),
                Fact("logins of any kind", found.all),
                Fact("last login in person", found.in_person_before),
                Fact("name of an integration", named_for_software(user)),
                Fact(FREE_SEAT, value=False),
            ),
            traps=traps,
            saving=Saving.SEAT if _grade(found) is not Grade.D else Saving.NONE,
            replacement=pool,
        )


def allot(view: View, findings: Sequence[Finding], valued: Collection[int]) -> tuple[Finding, ...]:
    """Return the findings; those of this rule that carry their seat's value have the free seats, the surest first."""
    claims = [position for position in valued if findings[position].rule == RULE.id]
    claims.sort(key=lambda position: (findings[position].grade, findings[position].subject_id))
    _, free = free_seats(view)
    lucky = frozenset(claims[:free])
    return tuple(_on_a_free_seat(finding) if n in lucky else finding for n, finding in enumerate(findings))


def _on_a_free_seat(finding: Finding) -> Finding:
    facts = (fact if fact.label != FREE_SEAT else Fact(FREE_SEAT, value=True) for fact in finding.facts)
    return replace(finding, facts=tuple(facts), replacement="")


def evidence_of(view: View, user: UserRow) -> Evidence | None:
    """Return the evidence if the rule's conditions hold, else None."""
    if user.external or view.history_days < HISTORY_DAYS_MIN:
        return None
    software = total = 0
    sure = False
    before: datetime | None = None
    for row in view.successes(user.id):
        recent = sum(row.weeks[:WEEKS])
        if row.kind.human and recent:
            return None
        if row.kind.in_person:
            before = row.last if before is None else max(before, row.last)
        total += recent
        if row.kind in _SOFTWARE:
            software += recent
            sure = sure or (row.kind in _SURE and recent > 0)
    if software < LOGINS_MIN or software * 100 < SHARE_MIN_PERCENT * total:
        return None
    if user.last_login_at is not None and view.age_days(user.last_login_at) < WEEKS * DAYS_A_WEEK:
        seen = view.activity(user.id).last
        if seen is not None and (user.last_login_at - seen).days >= 1:
            return None  # a later login than any that is visible: it may have been in person
    return Evidence(software, total, sure, before)


def free_seats(view: View) -> tuple[str, int]:
    """Return the pool of Salesforce Integration licences (or its name, if the org has none) and its free seats."""
    rows = [row for row in view.snapshot.licenses if row.name.strip().casefold() == INTEGRATION.casefold()]
    free = sum(max(0, row.total - row.used) for row in rows if row.status == "Active")
    return (rows[0].id if rows else INTEGRATION), free


def _grade(found: Evidence) -> Grade:
    grade = Grade.B if found.sure else Grade.C
    return grade.lowered(1 if found.in_person_before is not None else 0)
