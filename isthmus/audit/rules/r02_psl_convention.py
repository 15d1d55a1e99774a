"""R02: whether a permission set licence counts deactivated holders."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from isthmus.audit.finding import Fact, GateResult, Rule, Verdict
from isthmus.audit.model import PSLS_UNAVAILABLE
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R02",
    title="How permission set licences are counted",
    saves="nothing: a gate",
    doc=(
        "UsedLicenses of a permission set licence counts every holder for some products and active holders only for "
        "others. It is inferred for each: equal to all grants, equal to grants of active users, the same (nothing to "
        "tell them apart), or unknown. This decides whether R10 is money. Fails if the connected user may not read "
        "permission set licences: then R10 to R14, R23 and R24 say nothing, which is not zero."
    ),
    remedy="Ask Salesforce how holders of this permission set licence are counted.",
)


class Convention(StrEnum):
    """How `UsedLicenses` of a permission set licence is counted."""

    EVERYONE = "everyone"
    ACTIVE_ONLY = "active only"
    UNDETERMINED = "undetermined"
    UNKNOWN = "unknown"


def convention_of(view: View, psl: str) -> Convention:
    """Infer the convention from the org's own counts."""
    grants = view.grants.get(psl, [])
    active = sum(1 for grant in grants if (user := view.users.get(grant.user)) is not None and user.active)
    used = view.psls[psl].used
    if len(grants) == active:
        return Convention.UNDETERMINED if used == active else Convention.UNKNOWN
    if used == len(grants):
        return Convention.EVERYONE
    return Convention.ACTIVE_ONLY if used == active else Convention.UNKNOWN


def examine(view: View) -> Iterator[GateResult]:
    """Say which pools' counts cannot be explained."""
    if PSLS_UNAVAILABLE in view.snapshot.reading.unavailable:
        says = "Permission set licences are not readable for the connected user; this report says nothing about them."
        remedy = "Give the connected user View Setup and Configuration, then run the audit again."
        yield GateResult("R02", Verdict.FAIL, says, remedy)
        return
    unexplained = [row for row in view.snapshot.psls if convention_of(view, row.id) is Convention.UNKNOWN]
    for row in unexplained:
        says = f"{row.label}: the org counts {row.used} used, which is neither all of its grants nor the active ones."
        facts = (Fact("used", row.used), Fact("grants", len(view.grants.get(row.id, ()))))
        yield GateResult("R02", Verdict.WARN, says, RULE.remedy, pools=frozenset({row.id}), facts=facts)
    if not unexplained:
        yield GateResult("R02", Verdict.PASS, "The counts of all permission set licences can be explained.")
