"""What the trust page says: one report per promise, with the mechanism, the live check and its verdict."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Verdict(StrEnum):
    """Whether a promise holds now, on this installation."""

    KEPT = "kept"
    WITHDRAWN = "withdrawn"
    NOT_YET_KNOWN = "not yet known"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one live check found: the verdict, what was seen, and what to do where it is not kept."""

    verdict: Verdict
    evidence: tuple[str, ...]
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise as it is made, in words that can be proven wrong.

    `mechanism` is what makes it true, `check` what is looked at each time, `limits` what it does not cover.
    """

    key: str
    title: str
    statement: str
    mechanism: str
    check: str
    limits: str


@dataclass(frozen=True, slots=True)
class PromiseReport:
    """One promise as computed at `checked_at`. `remedy` is None where nothing needs doing."""

    key: str
    title: str
    statement: str
    mechanism: str
    check: str
    limits: str
    verdict: Verdict
    evidence: tuple[str, ...]
    remedy: str | None
    checked_at: datetime


def report(promise: Promise, outcome: Outcome, checked_at: datetime) -> PromiseReport:
    """Join a promise with what its check found."""
    return PromiseReport(
        key=promise.key,
        title=promise.title,
        statement=promise.statement,
        mechanism=promise.mechanism,
        check=promise.check,
        limits=promise.limits,
        verdict=outcome.verdict,
        evidence=outcome.evidence,
        remedy=outcome.remedy,
        checked_at=checked_at,
    )
