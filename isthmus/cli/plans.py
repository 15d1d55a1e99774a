"""How a plan and its issues are printed, for every command that has one."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.cli.output import print_table, say
from isthmus.sync.model import Column, Issue, Plan, Severity, Step

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.HINT: "dim"}


def print_plan(plan: Plan | None, issues: Sequence[Issue]) -> None:
    """Print the steps in their order, then what is worth knowing about them, errors first."""
    if plan is not None:
        head = ("step", "kind", "from", "to", "matched by", "fields", "only where")
        rows = [
            (number + 1, s.kind.value, s.source, s.target, f"{s.key} = {s.key_source}", len(s.columns), s.where or "")
            for number, s in enumerate(plan.steps)
        ]
        print_table("Plan", head, rows)
        if plan.tracking:
            say(f"To be created in the target: the tracking field on {', '.join(plan.tracking)}")
    for severity in Severity:
        for issue in issues:
            if issue.severity is severity:
                say(f"{severity.value:>7}  {issue.where}: {issue.text}", style=_STYLES[severity])
                if issue.remedy:
                    say(f"         → {issue.remedy}")


def plain_plan(plan: Plan) -> dict[str, object]:
    """Return a plan for machines."""
    return {"steps": [_plain_step(step) for step in plan.steps], "tracking": list(plan.tracking)}


def plain_issue(issue: Issue) -> dict[str, object]:
    """Return an issue for machines."""
    return {
        "severity": issue.severity.value,
        "code": issue.code,
        "where": issue.where,
        "text": issue.text,
        "remedy": issue.remedy,
    }


def _plain_step(step: Step) -> dict[str, object]:
    return {
        "kind": step.kind.value,
        "source": step.source,
        "target": step.target,
        "match": {"target": step.key, "source": step.key_source},
        "where": step.where,
        "columns": [_plain_column(column) for column in step.columns],
    }


def _plain_column(column: Column) -> dict[str, object]:
    return {
        "target": column.target,
        "kind": column.kind.value,
        "source": column.source,
        "constant": column.constant,
        "parent_key": column.parent_key,
    }
