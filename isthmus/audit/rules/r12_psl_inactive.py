"""R12: a permission set licence on a user who is not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from isthmus.audit.finding import Fact, Finding, Grade, Rule, Saving, Subject
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R12",
    title="Permission set licence on an inactive user",
    saves="the permission set licence, once",
    doc=(
        "A grant whose holder never logged in, is dormant or is inactive (R06, R07, R08), of the same grade as that "
        "finding and with its traps. Its money is counted once for each grant: R10 and R11 come first. A permission "
        "set licence that comes bundled costs nothing, and has no price."
    ),
    remedy="Remove the permission set licence assignment together with the user's access.",
)
PARENTS: Final = ("R06", "R07", "R08")


def check(view: View, found: Sequence[Finding]) -> Iterator[Finding]:
    """Yield one finding for each grant of a user whom R06, R07 or R08 found."""
    parents = {f.subject_id: f for f in found if f.rule in PARENTS and f.grade is not Grade.D}
    for psl in view.snapshot.psls:
        for grant in view.grants.get(psl.id, ()):
            parent = parents.get(grant.user)
            if parent is None:
                continue
            yield Finding(
                rule="R12",
                subject=Subject.PSL_ASSIGNMENT,
                subject_id=grant.id,
                pool=psl.id,
                severity=parent.severity,
                grade=parent.grade,
                why=f"Holds {psl.label}. {parent.why}",
                facts=(Fact("granted", grant.created_at), Fact("because of", parent.rule)),
                traps=parent.traps,
                saving=Saving.PSL,
            )
