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
class Finding:
    """The outcome of one live check: the verdict, what was seen, and what to do where it is not kept."""

    verdict: Verdict
    evidence: tuple[str, ...]
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class PromiseReport:
    """One promise as computed at `checked_at`.

    `statement` is the honest wording, `mechanism` what makes it true, `check` what was done just now to see it,
    `limits` what the promise does not cover. `remedy` is None where nothing needs doing.
    """

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
