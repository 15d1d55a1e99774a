"""What every tracer has at hand: the analysis, the report, the rows, and small words to point at them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import cached_property
from typing import TypeAlias

from isthmus.audit.analysis import Analysis
from isthmus.audit.explain.model import How, RowRef, Setting, Source
from isthmus.audit.explain.rows import LICENSES, PSLS, SETTINGS, USERS, Rows
from isthmus.audit.figures import Report
from isthmus.audit.finding import Finding, Verdict, Withhold

Trace: TypeAlias = "Callable[[Ground, str, tuple[int, ...]], Source]"
"""Says where a figure comes from, given its field below the list's element and the numbers of its path."""


class Ground:
    """One audit, ready to be asked where its figures come from."""

    def __init__(self, analysis: Analysis, report: Report) -> None:
        """Take an analysis and the report that it gave."""
        self.analysis = analysis
        self.report = report
        self.view = analysis.view
        self.rows = Rows(analysis.view.snapshot, analysis.basis)

    def users(self, ids: Iterable[str]) -> tuple[RowRef, ...]:
        """Return the rows of these users."""
        return self.rows.of(USERS, ids)

    def pool(self, id_: str) -> tuple[RowRef, ...]:
        """Return the row of a licence or permission set licence."""
        return self.rows.of(LICENSES, [id_]) or self.rows.of(PSLS, [id_])

    def license_path(self, id_: str, field: str) -> str:
        """Return the name of a licence's or permission set licence's figure."""
        return f"{self._pool_paths[id_]}.{field}"

    @cached_property
    def _pool_paths(self) -> Mapping[str, str]:
        found = {line.id: f"licenses[{i}]" for i, line in enumerate(self.report.licenses)}
        return found | {line.id: f"psls[{i}]" for i, line in enumerate(self.report.psls)}

    def price_parts(self, pool: str) -> tuple[str, ...]:
        """Return the price's figure, if the report lists the pool's price."""
        return tuple(f"prices[{i}].price" for i, line in enumerate(self.report.prices) if line.pool == pool)

    def contract_parts(self, pool: str, field: str) -> tuple[str, ...]:
        """Return a figure of the contract's lines of a licence that are in force."""
        lines = enumerate(self.report.contract)
        return tuple(f"contract[{i}].{field}" for i, line in lines if line.pool == pool and line.in_force)

    def findings_of(self, rules: Iterable[str], pool: str | None = None) -> list[int]:
        """Return the positions of the findings of these rules, of one pool or of all."""
        wanted = frozenset(rules)
        return [
            position
            for position, finding in enumerate(self.analysis.findings)
            if finding.rule in wanted and (pool is None or finding.pool == pool)
        ]

    def subject_user(self, finding: Finding) -> str:
        """Return the user that a finding is about: the subject, or the holder of the grant."""
        return self.view.grant_holders.get(finding.subject_id, finding.subject_id)

    def thresholds(self, license_: str | None = None) -> tuple[Setting, ...]:
        """Return the thresholds in force, for one licence or for all."""
        own = self.view.thresholds_of(license_)
        return (
            setting("thresholds.inactive_days", own.inactive_days),
            setting("thresholds.grace_days", own.grace_days),
            setting("thresholds.headroom", own.headroom),
        )

    def withheld(self, *what: Withhold, pool: str | None = None) -> Source:
        """Return why a figure is not printed: the failed gates that keep it back."""
        failed = [
            (index, gate)
            for index, gate in enumerate(self.analysis.gates)
            if gate.verdict is Verdict.FAIL and gate.withholds & set(what) and (not gate.pools or pool in gate.pools)
        ]
        if failed:
            said = " ".join(gate.says for _, gate in failed)
            parts = tuple(f"gates[{index}].verdict" for index, _ in failed)
            return Source(How.WITHHELD, said, parts=parts, rules=tuple(gate.rule for _, gate in failed))
        said = f"The login history has {self.view.history_days} days: not enough for this figure."
        return Source(How.WITHHELD, said, parts=("history_days",), requests=("logins_oldest",))


def setting(name: str, value: object, file: str = SETTINGS) -> Setting:
    """Return a setting as it is shown."""
    return Setting(file, name, "none" if value is None else str(value))


def of_row(row: tuple[RowRef, ...], column: str) -> Source:
    """Return the source of a figure that stands in a row."""
    return Source(How.FIELD, rows=row, column=column)


def decided(*settings: Setting, said: str = "") -> Source:
    """Return the source of a figure that the operator decided."""
    return Source(How.SETTING, said, settings=settings, files=tuple({s.file for s in settings}))


def words(said: str, *, rules: tuple[str, ...] = ()) -> Source:
    """Return the source of words that no data change."""
    return Source(How.WORDS, said, rules=rules)


def money_said(amount: Decimal) -> str:
    """Return an amount in steps as it is shown."""
    return f"{amount.normalize():f}"
