"""R01: whether the users that we see add up to the seats that the org counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from isthmus.audit.finding import Fact, GateResult, Rule, Verdict, Withhold
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R01",
    title="Seat reconciliation",
    saves="nothing: a gate",
    doc=(
        "For each licence, active users whose profile gives it are compared with UsedLicenses. Private user sharing "
        "hides users; the org's counter may be a day old. If more than 5 % (and more than two) of the used seats have "
        "no visible user, active seats of that licence are not printed."
    ),
    remedy="Give the connected user View All Users, then run the audit again.",
)
HIDDEN_MAX_PERCENT: Final = 5
HIDDEN_MAX: Final = 2


def examine(view: View) -> Iterator[GateResult]:
    """Compare licence by licence."""
    gaps = 0
    for row in view.snapshot.licenses:
        visible = len(view.holders.get(row.id, ()))
        hidden = row.used - visible
        if hidden == 0:
            continue
        gaps += 1
        facts = (
            Fact("licence", row.label),
            Fact("seats used, by the org's counter", row.used),
            Fact("active users seen", visible),
            Fact("counter last updated", row.used_updated_at),
        )
        if hidden > HIDDEN_MAX and hidden * 100 > HIDDEN_MAX_PERCENT * row.used:
            says = (
                f"{hidden} of {row.used} seats of {row.label} have no visible user: the connected user cannot see "
                "them, or the org's counter is behind. Its active seats are not printed, its findings a lower bound."
            )
            withheld = frozenset({Withhold.ESTIMATE})
            yield GateResult("R01", Verdict.FAIL, says, RULE.remedy, withheld, frozenset({row.id}), facts)
            continue
        says = f"{row.label}: the org counts {row.used} used seats, {visible} active users are visible."
        yield GateResult("R01", Verdict.WARN, says, RULE.remedy, pools=frozenset({row.id}), facts=facts)
    if not gaps:
        yield GateResult("R01", Verdict.PASS, "The visible users add up to the seats that the org counts.")
