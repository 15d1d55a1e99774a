"""R13: a permission set licence that ends soon, or has ended and is still assigned."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from isthmus.audit.finding import Fact, Finding, Grade, Rule, Severity, Subject
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R13",
    title="Permission set licence about to end",
    saves="nothing: a risk",
    doc=(
        "ExpirationDate within the next 90 days or past, or Status Disabled, while users hold it. Grade A: "
        "Salesforce's own fields. Trap: its name says that it is a trial, which is meant to end."
    ),
    remedy="Renew it, or remove the assignments before that day: their users may lose access then.",
)
DAYS_AHEAD: Final = 90
TRIAL: Final = "trial"


def check(view: View) -> Iterator[Finding]:
    """Yield one finding for each pool in use that ends or has ended."""
    today = view.today
    for psl in view.snapshot.psls:
        held = max(psl.used, len(view.grants.get(psl.id, ())))
        ends = psl.expires_on is not None and psl.expires_on <= today + timedelta(days=DAYS_AHEAD)
        disabled = psl.status == "Disabled"
        if not held or not (ends or disabled):
            continue
        trial = TRIAL in psl.label.casefold()
        past = psl.expires_on is not None and psl.expires_on < today
        if psl.expires_on is not None and ends:
            when = f"{'ended' if past else 'ends'} on {psl.expires_on.isoformat()}"
        else:
            when = "is disabled"
        yield Finding(
            rule="R13",
            subject=Subject.PSL,
            subject_id=psl.id,
            pool=psl.id,
            severity=Severity.WARNING,
            grade=Grade.A.lowered(1 if trial else 0),
            why=f"{psl.label} {when}, and {held} users hold it.",
            facts=(Fact("ends", psl.expires_on), Fact("status", psl.status), Fact("holders", held)),
            traps=("by its name a trial, which is meant to end",) if trial else (),
            quantity=held,
        )
