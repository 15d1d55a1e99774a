"""R10: a permission set licence that a deactivated user still holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from isthmus.audit.finding import Fact, Finding, Grade, Rule, Saving, Severity, Subject
from isthmus.audit.rules.r02_psl_convention import Convention, convention_of
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R10",
    title="Permission set licence held by a deactivated user",
    saves="the permission set licence",
    doc=(
        "A grant whose holder is not active. Grade A where the org's own count shows that everyone counts; D "
        "(it takes no seat) where only active holders count; C where the counts do not tell (R02)."
    ),
    remedy="Remove the permission set licence assignment from the deactivated user.",
)
_GRADES: Final = (
    (Convention.EVERYONE, Grade.A, Severity.CRITICAL),
    (Convention.ACTIVE_ONLY, Grade.D, Severity.INFO),
    (Convention.UNDETERMINED, Grade.C, Severity.WARNING),
    (Convention.UNKNOWN, Grade.C, Severity.WARNING),
)


def check(view: View) -> Iterator[Finding]:
    """Yield one finding for each grant held by a deactivated user."""
    for psl in view.snapshot.psls:
        convention = convention_of(view, psl.id)
        grade, severity = next((g, s) for c, g, s in _GRADES if c is convention)
        for grant in view.grants.get(psl.id, ()):
            user = view.users.get(grant.user)
            if user is None or user.active:
                continue
            yield Finding(
                rule="R10",
                subject=Subject.PSL_ASSIGNMENT,
                subject_id=grant.id,
                pool=psl.id,
                severity=severity,
                grade=grade,
                why=f"A deactivated user still holds {psl.label}."
                if convention is not Convention.ACTIVE_ONLY
                else f"A deactivated user still holds {psl.label}; by the org's count only active holders take a seat.",
                facts=(
                    Fact("granted", grant.created_at),
                    Fact("holder's last login", user.last_login_at),
                    Fact("holders counted", convention.value),
                ),
                saving=Saving.NONE if convention is Convention.ACTIVE_ONLY else Saving.PSL,
            )
