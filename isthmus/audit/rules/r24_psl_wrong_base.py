"""R24: a permission set licence on a user whose licence cannot use it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from isthmus.audit.finding import Fact, Finding, Grade, Rule, Saving, Severity, Subject
from isthmus.audit.rules.r09_integration import INTEGRATION
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R24",
    title="Permission set licence on the wrong licence",
    saves="the permission set licence",
    doc=(
        "A grant to an active user on a Chatter, Guest or Identity licence; or to one on a Salesforce Integration "
        "licence, of a permission set licence that is not meant for integrations (IsAvailableForIntegrations). Grade "
        "C: some products are sold for these combinations."
    ),
    remedy="Ask what the permission set licence is for there; if for nothing, remove the assignment.",
)
LIGHT: Final = frozenset({"chatter free", "chatter external", "guest user license", "guest", "identity"})


def check(view: View) -> Iterator[Finding]:
    """Yield one finding for each grant on such a licence."""
    for psl in view.snapshot.psls:
        for grant in view.grants.get(psl.id, ()):
            user = view.users.get(grant.user)
            license_ = view.licenses.get(user.license or "") if user is not None else None
            if user is None or not user.active or license_ is None:
                continue
            name = license_.name.strip().casefold()
            robot = name == INTEGRATION.casefold()
            if name not in LIGHT and not (robot and not psl.for_integrations):
                continue
            yield Finding(
                rule="R24",
                subject=Subject.PSL_ASSIGNMENT,
                subject_id=grant.id,
                pool=psl.id,
                severity=Severity.WARNING,
                grade=Grade.C,
                why=f"Holds {psl.label} on the licence {license_.label}"
                + (", for which it is not marked as available." if robot else ", a light licence."),
                facts=(Fact("granted", grant.created_at), Fact("licence", license_.label)),
                saving=Saving.PSL,
            )
