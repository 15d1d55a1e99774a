"""The words of a judgement: rules, grades, findings with typed evidence, gates with their verdicts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final, TypeAlias

RuleId: TypeAlias = str
FactValue: TypeAlias = int | str | bool | datetime | date | None


class Grade(StrEnum):
    """How sure a finding is.

    A: follows from Salesforce's own fields. B: strong inference, one benign explanation left. C: a signal to ask
    about. D: information.
    """

    A = "A"
    B = "B"
    C = "C"
    D = "D"

    def lowered(self, steps: int) -> Grade:
        """Return the grade `steps` below this one, D at worst."""
        order = tuple(Grade)
        return order[min(order.index(self) + steps, len(order) - 1)]


class Severity(StrEnum):
    """How much a finding matters if it is true; independent of how sure it is."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Subject(StrEnum):
    """What a finding is about."""

    USER = "user"
    LICENSE = "license"
    PSL = "psl"
    PSL_ASSIGNMENT = "psl_assignment"


class Saving(StrEnum):
    """Where a finding's money belongs. The three are never added up."""

    NONE = "none"
    SEAT = "seat"  # one user licence that can be used again, and given back at renewal
    PSL = "psl"  # the same for a permission set licence
    SURPLUS = "surplus"  # seats bought and not assigned: worth money at renewal only


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule is called, what it saves, and what it looks at, in words for its reader."""

    id: RuleId
    title: str
    saves: str
    doc: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One piece of evidence: a label from the rule, a value from a row (instants in UTC, counts, words)."""

    label: str
    value: FactValue


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a rule found. `pool` is the id of the licence or permission set licence concerned.

    `traps` name the benign explanations that apply; each has lowered `grade` by one already.
    `quantity` seats are concerned. `worth_of`: other pools, where a seat is worth the least of all their prices.
    `replacement`: the pool (or the licence's name) whose seat is needed instead, so that its price is taken off.
    `exempt`: its person is excused. `snoozed_until`: the operator has put it off up to this day, for `snooze_reason`;
    it saves nothing until then.
    """

    rule: RuleId
    subject: Subject
    subject_id: str
    pool: str
    severity: Severity
    grade: Grade
    why: str
    facts: tuple[Fact, ...] = ()
    traps: tuple[str, ...] = ()
    saving: Saving = Saving.NONE
    quantity: int = 1
    worth_of: tuple[str, ...] = ()
    replacement: str = ""
    exempt: bool = False
    snoozed_until: date | None = None
    snooze_reason: str = ""


class Verdict(StrEnum):
    """What a gate says about the data."""

    PASS = "pass"  # noqa: S105 a verdict, not a password
    WARN = "warn"
    FAIL = "fail"


class Withhold(StrEnum):
    """What a failed gate keeps back. Nothing is printed that the data cannot carry."""

    ACTIVITY = "activity"  # who is active, inactive or never came
    ESTIMATE = "estimate"  # counts of active people; of the pools in `pools`, or of all
    MONEY = "money"


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate's judgement. `pools` limits it to some licences; empty means the whole audit."""

    rule: RuleId
    verdict: Verdict
    says: str
    remedy: str = ""
    withholds: frozenset[Withhold] = frozenset()
    pools: frozenset[str] = frozenset()
    facts: tuple[Fact, ...] = field(default=())


HISTORY_DAYS_MIN: Final = 30
"""With a shorter history than this nobody is called inactive."""
