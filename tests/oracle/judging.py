"""The oracle: a second, slow, plain calculator of an audit's figures, from the texts and a bundle's extracts alone.

It shares no code with isthmus.audit, and imports nothing of isthmus: it was written from docs/audit.md, the rules as the
report prints them and the decisions in docs/adr, so that one misunderstanding cannot stand in both. No index, no cache,
no shortcut: every question is asked of every row. Where both differ one of three is wrong, this, the product, or the text.

What it does not reckon again: the forecast (its upper end is taken as stated), the words of findings, and the moves.
"""

from __future__ import annotations

from typing import Any

from tests.oracle import counts, pools, renewal, seats
from tests.oracle.facts import Facts, Finding
from tests.oracle.gates import gates
from tests.oracle.money import excused, money, put_off, sensitivity


def judged(files: dict[str, Any], forecasts: dict[str, int]) -> dict[str, Any]:
    """Return every figure of the bundle. `forecasts`: upper ends by pool, as the report states them."""
    facts = Facts(files, forecasts)
    gate = gates(facts)
    findings = found(facts, gate)
    put_off(facts, findings)
    worth = money(facts, findings)
    lines = {
        row["id"]: renewal.readiness(
            facts, row["id"], worth["pools"][row["id"]]["in_use"] if gate["money"] else None, findings
        )
        for row in facts.pools.values()
        if facts.paid(row["id"]) and row["status"] == "Active" and row["total"] > 0 and gate["activity"]
    }
    bought = [p for p in facts.psls.values() if p["status"] == "Active" and p["total"] > 0 and gate["activity"]]
    lines |= {p["id"]: renewal.add_on(facts, p["id"], worth["chosen"]) for p in bought if facts.lines_in_force(p["id"])}
    return {"facts": facts, "gates": gate, "findings": findings, "readiness": lines, **worth}


def found(facts: Facts, gate: dict[str, Any]) -> list[Finding]:
    """Return what every rule finds, people who are excused as mere information."""
    psls = "PermissionSetLicense" not in facts.reading["unavailable"]
    findings = [*pools.surplus(facts), *pools.over_allocated(facts)]
    findings += pools.metered(facts)
    if psls:
        findings += [*pools.held_by_deactivated(facts), *pools.about_to_end(facts), *pools.redundant(facts)]
        findings += [*pools.psl_pools(facts), *pools.wrong_base(facts)]
    if gate["activity"]:
        findings += [*seats.after_deactivation(facts), *pools.nearly_used_up(facts)]
        unused = [*seats.never_logged_in(facts), *seats.dormant(facts), *seats.inactive(facts)]
        unused = excused(facts, unused)
        software = seats.integrations(facts)
        robots = {f["subject"] for f in software}
        findings += unused + software + seats.software_only(facts, robots) + seats.lighter(facts)
        findings += seats.duplicates(facts, robots) + seats.features(facts, unused)
        if psls:
            findings += [*pools.never_used(facts), *pools.on_unused_seat(facts, unused)]
    return excused(facts, findings)


__all__ = ["counts", "judged", "sensitivity"]
