"""R14: two permission set licences of one user, one of which can grant all that the other can."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from isthmus.audit.finding import Fact, Finding, Grade, Rule, Saving, Severity, Subject
from isthmus.audit.model import PslRow
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R14",
    title="Redundant permission set licence",
    saves="the permission set licence that grants less",
    doc=(
        "An active user holds X and Y, both Active and not past their ExpirationDate, and every permission that X can "
        "grant (MaximumPermissions...) Y can grant too. Where both grant the same, the dearer is X, else the one whose "
        "id is later. A permission set licence without any such permission is never compared. Grade C, always: "
        "permission set licences also open objects and limits that these permissions do not show. Nothing is judged "
        "where they are not readable."
    ),
    remedy=(
        "Ask what the licence in the row is needed for; if all of it comes with the other one named, remove the "
        "assignment and watch for a week."
    ),
)
TRAP: Final = "it may open objects and limits that these permissions do not show"


def check(view: View) -> Iterator[Finding]:
    """Yield one finding for each grant whose permissions another grant of the same user has."""
    wider = wider_pools(view)
    held: dict[str, set[str]] = defaultdict(set)
    for grant in view.snapshot.assigns:
        held[grant.user].add(grant.psl)
    for psl in view.snapshot.psls:
        for grant in view.grants.get(psl.id, ()) if psl.id in wider else ():
            user = view.users.get(grant.user)
            other = next((id_ for id_ in wider[psl.id] if id_ in held[grant.user]), None)
            if user is None or not user.active or other is None:
                continue
            instead = view.psls[other]
            yield Finding(
                rule="R14",
                subject=Subject.PSL_ASSIGNMENT,
                subject_id=grant.id,
                pool=psl.id,
                severity=Severity.INFO,
                grade=Grade.C,
                why=f"Holds {psl.label} and {instead.label}, which can grant all that the former can.",
                facts=(
                    Fact("granted", grant.created_at),
                    Fact("held as well", instead.label),
                    Fact(f"permissions of {psl.label}", len(psl.permissions)),
                    Fact(f"permissions of {instead.label}", len(instead.permissions)),
                ),
                traps=(TRAP,),
                saving=Saving.PSL,
            )


def wider_pools(view: View) -> Mapping[str, tuple[str, ...]]:
    """Return, for each pool in force, those that can grant all that it can; never two pools for one another."""
    running = [row for row in view.snapshot.psls if row.expires_on is None or view.today <= row.expires_on]
    pools = [row for row in running if row.status == "Active" and row.permissions]
    found: dict[str, tuple[str, ...]] = {}
    for less in pools:
        wanted = frozenset(less.permissions)
        wider = [row.id for row in pools if row is not less and _covers(view, row, less, wanted)]
        if wider:
            found[less.id] = tuple(wider)
    return found


def _covers(view: View, more: PslRow, less: PslRow, wanted: frozenset[str]) -> bool:
    if not wanted.issubset(more.permissions):
        return False
    if len(more.permissions) > len(wanted):
        return True
    return (_price(view, less), less.id) > (_price(view, more), more.id)


def _price(view: View, row: PslRow) -> Decimal:
    price = view.prices.get(row.id)
    return price.amount if price is not None and price.amount is not None else Decimal(0)
