"""How a plan and its issues are printed, for every command that has one."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from isthmus.cli.output import print_table, say
from isthmus.sync.model import Column, Issue, Plan, Severity, Step
from isthmus.sync.planning.estimate import Estimate
from isthmus.sync.planning.suggestions import Suggestion

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.HINT: "dim"}


def print_plan(plan: Plan | None, issues: Sequence[Issue]) -> None:
    """Print the steps in their order, then what is worth knowing about them, errors first."""
    if plan is not None:
        head = ("step", "kind", "from", "to", "matched by", "fields", "only where")
        rows = [
            (number + 1, _way(s), s.source, s.target, f"{s.key} = {s.key_source}", len(s.columns), s.where or "")
            for number, s in enumerate(plan.steps)
        ]
        print_table("Plan", head, rows)
        if plan.tracking:
            say(f"To be created in the target: the tracking field on {', '.join(plan.tracking)}")
        if plan.tracking_source:
            say(f"To be created in the source: the tracking field on {', '.join(plan.tracking_source)}")
    for severity in Severity:
        for issue in issues:
            if issue.severity is severity:
                say(f"{severity.value:>7}  {issue.where}: {issue.text}", style=_STYLES[severity])
                if issue.remedy:
                    say(f"         → {issue.remedy}")


def _way(step: Step) -> str:
    """A step's kind; those of the way back read the sync's target and write its source."""
    return f"{step.kind.value}, back" if step.backward else step.kind.value


def print_suggestions(suggestions: Sequence[Suggestion]) -> None:
    """Print what could fill the fields left over, ready to be pasted into the definition."""
    if suggestions:
        say("Fields that nothing fills yet, with what could (paste below `fields`, or below `also` beside `auto`):")
    step: int | None = None
    for suggestion in suggestions:
        if suggestion.step != step:
            step = suggestion.step
            say(f"  # steps[{step}]", style="dim")
        say(f"  {suggestion.yaml}")


def print_estimate(estimate: Estimate) -> None:
    """Print what the first run will cost."""
    head = ("step", "path", "rows", "calls in the source", "calls in the target", "seconds")
    rows = [(s.title, s.path, f"{s.rows:,}", s.calls_source, s.calls_target, s.seconds) for s in estimate.steps]
    print_table("Estimate of the first run", head, rows)
    say(f"{estimate.rows:,} rows, about {estimate.minutes:g} {'minute' if estimate.minutes == 1 else 'minutes'}")
    for side, org in (("source", estimate.source), ("target", estimate.target)):
        share = "" if org.percent_of_day is None else f", {org.percent_of_day:g} % of a day's {org.allowed_per_day:,}"
        used = "" if org.used_today is None else f" ({org.used_today:,} of them used already)"
        say(f"about {org.calls:,} API calls in the {side}{share}{used}")
        if org.fits_budget is False:
            say(f"  more than the budget leaves: the run will pause and go on later ({side})", style="yellow")
    if estimate.idle_calls_per_day is not None:
        say(f"while nothing changes, about {estimate.idle_calls_per_day:,} calls a day in the source", style="dim")


def plain_estimate(estimate: Estimate) -> dict[str, object]:
    """Return an estimate for machines."""
    return msgspec.to_builtins(estimate)


def plain_suggestion(suggestion: Suggestion) -> dict[str, object]:
    """Return a suggestion for machines."""
    return {**msgspec.to_builtins(suggestion), "yaml": suggestion.yaml}


def plain_plan(plan: Plan) -> dict[str, object]:
    """Return a plan for machines."""
    return {
        "steps": [_plain_step(step) for step in plan.steps],
        "two_way": plan.two_way,
        "tracking": list(plan.tracking),
        "tracking_source": list(plan.tracking_source),
    }


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
        "backward": step.backward,
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
        "expression": None if column.transform is None else column.transform.expression,
        "mask": None if column.transform is None else column.transform.mask,
        "parent_key": column.parent_key,
    }
