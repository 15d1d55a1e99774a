"""Every gate and every rule, in the order of the report. Explicit: nothing is found by searching."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.audit.finding import Finding, GateResult, Rule, Withhold
from isthmus.audit.model import FEATURES_UNAVAILABLE, PERMISSIONS_UNAVAILABLE, PSLS_UNAVAILABLE
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
    r08b_software_only,
    r09_integration,
    r10_psl_deactivated,
    r11_psl_never_used,
    r12_psl_inactive,
    r13_psl_expiry,
    r14_psl_redundant,
    r15_duplicate,
    r16_pool_surplus,
    r17_pool_exhaustion,
    r18_over_allocation,
    r19_right_size,
    r20_login_metered,
    r21_feature_licence,
    r22_deactivated_recent,
    r23_psl_pool,
    r24_psl_wrong_base,
)
from isthmus.audit.view import View


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate and its check."""

    rule: Rule
    examine: Callable[[View], Iterator[GateResult]]


@dataclass(frozen=True, slots=True)
class Check:
    """A rule, its check, and what must not be withheld for it to run.

    `reads`: words of `Reading.unavailable`; where one of them was not readable, the rule says nothing, not zero.
    `by_settings`: whether it looks at thresholds, prices or exemptions; the others find the same whatever these are.
    """

    rule: Rule
    check: Callable[[View], Iterator[Finding]]
    needs: frozenset[Withhold] = frozenset()
    by_settings: bool = False
    reads: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Derived:
    """A rule that looks at what the others found, and what must not be withheld or unreadable for it to run."""

    rule: Rule
    check: Callable[[View, Sequence[Finding]], Iterator[Finding]]
    needs: frozenset[Withhold] = frozenset()
    reads: frozenset[str] = frozenset()


_ACTIVITY: Final = frozenset({Withhold.ACTIVITY})
_PSLS: Final = frozenset({PSLS_UNAVAILABLE})
_PERMISSIONS: Final = frozenset({PSLS_UNAVAILABLE, PERMISSIONS_UNAVAILABLE})
_FEATURES: Final = frozenset({FEATURES_UNAVAILABLE})

GATES: Final = (
    Gate(r00_visibility.RULE, r00_visibility.examine),
    Gate(r01_seats.RULE, r01_seats.examine),
    Gate(r02_psl_convention.RULE, r02_psl_convention.examine),
    Gate(r03_window.RULE, r03_window.examine),
    Gate(r04_sandbox.RULE, r04_sandbox.examine),
    Gate(r05_vocabulary.RULE, r05_vocabulary.examine),
)
CHECKS: Final = (
    Check(r06_never_logged_in.RULE, r06_never_logged_in.check, _ACTIVITY, by_settings=True),
    Check(r07_dormant.RULE, r07_dormant.check, _ACTIVITY, by_settings=True),
    Check(r08_inactive.RULE, r08_inactive.check, _ACTIVITY, by_settings=True),
    Check(r08b_software_only.RULE, r08b_software_only.check, _ACTIVITY, by_settings=True),
    Check(r09_integration.RULE, r09_integration.check, _ACTIVITY),
    Check(r10_psl_deactivated.RULE, r10_psl_deactivated.check, reads=_PSLS),
    Check(r11_psl_never_used.RULE, r11_psl_never_used.check, _ACTIVITY, reads=_PSLS),
    Check(r13_psl_expiry.RULE, r13_psl_expiry.check, reads=_PSLS),
    Check(r14_psl_redundant.RULE, r14_psl_redundant.check, by_settings=True, reads=_PERMISSIONS),
    Check(r15_duplicate.RULE, r15_duplicate.check, _ACTIVITY),
    Check(r16_pool_surplus.RULE, r16_pool_surplus.check, by_settings=True),
    Check(r18_over_allocation.RULE, r18_over_allocation.check),
    Check(r19_right_size.RULE, r19_right_size.check, _ACTIVITY, by_settings=True),
    Check(r20_login_metered.RULE, r20_login_metered.check),
    Check(r22_deactivated_recent.RULE, r22_deactivated_recent.check, _ACTIVITY),
    Check(r23_psl_pool.RULE, r23_psl_pool.check, by_settings=True, reads=_PSLS),
    Check(r24_psl_wrong_base.RULE, r24_psl_wrong_base.check, reads=_PSLS),
)
DERIVED: Final = (
    Derived(r12_psl_inactive.RULE, r12_psl_inactive.check, _ACTIVITY, _PSLS),
    Derived(r17_pool_exhaustion.RULE, r17_pool_exhaustion.check, _ACTIVITY),
    Derived(r21_feature_licence.RULE, r21_feature_licence.check, _ACTIVITY, _FEATURES),
)
RULES: Final = tuple(sorted((*CHECKS, *DERIVED), key=lambda entry: entry.rule.id))
"""Every rule, in the order of the report."""
SEAT_RULES: Final = ("R06", "R07", "R08")
"""Whose findings make a seat an unused one."""
SEAT_PRIORITY: Final = ("R06", "R07", "R15", "R09", "R08", "R19")
"""A user's seat is valued once: by the surest finding, and among equals by the first of these rules."""
PSL_PRIORITY: Final = ("R10", "R11", "R12", "R24", "R14")
"""A grant is valued once: by the surest finding, and among equals by the first of these rules."""
