"""What an audit found, told at the terminal and to machines."""

from __future__ import annotations

from pathlib import Path

from isthmus.audit.figures import Report
from isthmus.audit.report.summary_money import at_basis
from isthmus.cli.output import print_table, say


def print_audit(report: Report, files: tuple[Path, ...]) -> None:
    """Print the seats, the money, what was found by rule, and where the documents lie."""
    active = "withheld" if report.seats_active is None else f"{report.seats_active:,}"
    say(f"{report.org}: {report.seats_purchased:,} paid seats, {report.seats_assigned:,} assigned, {active} active")
    say(f"Unused: {_unused(report)}", style="bold")
    for total in report.money:
        say(
            f"A year{at_basis(total)}: cash at renewal {total.cash_at_renewal:,.0f} {total.currency}, reclaim now "
            f"{total.reclaim_now:,.0f}, at risk {total.at_risk:,.0f}. They overlap: never add them up."
        )
    if report.deadline is not None and report.deadline >= report.day:
        left = (report.deadline - report.day).days
        say(f"Notice is due by {report.deadline} ({left} day{'' if left == 1 else 's'} left).")
    for line in report.withheld:
        say(f"Withheld: {line}", style="yellow")
    gates = {gate.rule for gate in report.gates}
    rules = [rule for rule in report.rules if rule.id not in gates]
    rows = [
        (rule.id, rule.title, "withheld" if rule.findings is None else rule.findings)
        for rule in rules
        if rule.findings != 0
    ]
    if rows:
        print_table("Findings", ("rule", "what", "findings"), rows)
    nothing = [rule.id for rule in rules if rule.findings == 0]
    if nothing:
        say(f"Nothing was found by {', '.join(nothing)}.")
    times = "once" if report.interruptions == 1 else f"{report.interruptions} times"
    resumed = f" The reading was taken up again {times}." if report.interruptions else ""
    say(f"{report.api_calls:,} API calls.{resumed} In {files[0].parent}: {_names(files)}")


def _unused(report: Report) -> str:
    """Return the unused seats, and how sure that is."""
    if report.seats_unused is None:
        return "withheld"
    grades = (report.seats_unused_a, report.seats_unused_b, report.seats_unused_c)
    told = [f"{n:,} {word}" for n, word in zip(grades, ("sure", "likely", "to ask about"), strict=True) if n]
    return f"{report.seats_unused:,}" + (f" ({', '.join(told)})" if told else "")


def _names(files: tuple[Path, ...]) -> str:
    return ", ".join(file.name + ("/" if file.is_dir() else "") for file in files)


def plain_audit(report: Report, files: tuple[Path, ...]) -> dict[str, object]:
    """Return the same for `--json`; None where a figure is withheld."""
    return {
        "org": report.org,
        "seats": {
            "purchased": report.seats_purchased,
            "assigned": report.seats_assigned,
            "active": report.seats_active,
            "unused": report.seats_unused,
        },
        "money": [
            {
                "currency": total.currency,
                "basis": total.basis,
                "reclaim_now_per_year": str(total.reclaim_now),
                "cash_at_renewal_per_year": str(total.cash_at_renewal),
                "at_risk_per_year": str(total.at_risk),
            }
            for total in report.money
        ],
        "findings": {rule.id: rule.findings for rule in report.rules},
        "withheld": list(report.withheld),
        "api_calls": report.api_calls,
        "files": [str(file) for file in files],
    }
