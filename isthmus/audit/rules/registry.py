"""Every gate and every rule, in the order of the report. Explicit: nothing is found by searching."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from isthmus.audit.finding import Finding, GateResult, Rule, Withhold
from isthmus.audit.rules import (
    r00_visibility,
    r01_seats,
    r02_psl_convention,
    r03_window,
    r04_sandbox,
    r05_vocabulary,
    r06_never_logged_in,
    r07_dormant,
    r08_inactive,
    r10_psl_deactivated,
    r11_psl_never_used,
    r16_pool_surplus,
    r18_over_allocation,
)
from isthmus.audit.view import View


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate and its check."""

    rule: Rule
    examine: Callable[[View], Iterator[GateResult]]


@dataclass(frozen=True, slots=True)
class Check:
    """A rule, its check, and what must not be withheld for it to run."""

    rule: Rule
    check: Callable[[View], Iterator[Finding]]
    needs: frozenset[Withhold] = frozenset()


_ACTIVITY: Final = frozenset({Withhold.ACTIVITY})

GATES: Final = (
    Gate(r00_visibility.RULE, r00_visibility.examine),
    Gate(r01_seats.RULE, r01_seats.examine),
    Gate(r02_psl_convention.RULE, r02_psl_convention.examine),
    Gate(r03_window.RULE, r03_window.examine),
    Gate(r04_sandbox.RULE, r04_sandbox.examine),
    Gate(r05_vocabulary.RULE, r05_vocabulary.examine),
)
CHECKS: Final = (
    Check(r06_never_logged_in.RULE, r06_never_logged_in.check, _ACTIVITY),
    Check(r07_dormant.RULE, r07_dormant.check, _ACTIVITY),
    Check(r08_inactive.RULE, r08_inactive.check, _ACTIVITY),
    Check(r10_psl_deactivated.RULE, r10_psl_deactivated.check),
    Check(r11_psl_never_used.RULE, r11_psl_never_used.check, _ACTIVITY),
    Check(r16_pool_surplus.RULE, r16_pool_surplus.check),
    Check(r18_over_allocation.RULE, r18_over_allocation.check),
)
SEAT_PRIORITY: Final = ("R06", "R07", "R15", "R09", "R08", "R19")
"""A user's seat is valued once, by the first of these rules that found it."""
PSL_PRIORITY: Final = ("R10", "R11", "R12", "R14")
"""A grant is valued once, by the first of these rules that found it."""
