"""Making issues: what is worth knowing about a plan, each with its place, reason and remedy."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from isthmus.sync.model import Issue, Severity


def error(code: str, where: str, text: str, remedy: str) -> Issue:
    """Return an issue that refuses the plan."""
    return Issue(severity=Severity.ERROR, code=code, where=where, text=text, remedy=remedy)


def warning(code: str, where: str, text: str, remedy: str) -> Issue:
    """Return an issue that may cost rows or values."""
    return Issue(severity=Severity.WARNING, code=code, where=where, text=text, remedy=remedy)


def hint(code: str, where: str, text: str, remedy: str = "Nothing to do.") -> Issue:
    """Return an issue that is good to know."""
    return Issue(severity=Severity.HINT, code=code, where=where, text=text, remedy=remedy)


def softened(found: Sequence[Issue]) -> list[Issue]:
    """A pair that `fields: auto` found is left out where it cannot work; that is worth a warning, not an end."""
    return [
        msgspec.structs.replace(issue, severity=Severity.WARNING, text=f"left out: {issue.text}")
        if issue.severity is Severity.ERROR
        else issue
        for issue in found
    ]
