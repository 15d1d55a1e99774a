"""Explain any figure of a bundle: what it is, how it is reckoned, from which rows, by which rule, fetched how. Offline.

Every figure of report.json has an explanation, and a test holds each of them to what it says: rows that are counted
are as many as the figure, summands add up to it, a field stands in its row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, cast

import msgspec

from isthmus.audit.analysis import Analysis
from isthmus.audit.evidence.places import bundle_at
from isthmus.audit.evidence.verify import verified_analysis
from isthmus.audit.explain import (
    trace_findings,
    trace_head,
    trace_meters,
    trace_money,
    trace_pools,
    trace_renewal,
    trace_weeks,
)
from isthmus.audit.explain.meanings import MEANINGS
from isthmus.audit.explain.model import Explanation, How, RowRef, Source
from isthmus.audit.explain.path import FigureUnknown, Json, indices, leaves, pattern, resolve
from isthmus.audit.explain.tracer import Ground, Trace
from isthmus.audit.figures import Report
from isthmus.audit.rules.registry import GATES, RULES

_LISTS: Final[Mapping[str, Trace]] = MappingProxyType(
    {
        "money": trace_money.money_trace,
        "licenses": trace_pools.license_trace,
        "psls": trace_pools.psl_trace,
        "findings": trace_findings.finding_trace,
        "gates": trace_findings.gate_trace,
        "rules": trace_findings.rule_trace,
        "sensitivity": trace_money.sensitivity_trace,
        "weeks": trace_weeks.weeks_trace,
        "license_weeks": trace_weeks.license_week_trace,
        "prices": trace_findings.price_trace,
        "contract": trace_renewal.contract_trace,
        "requests": trace_findings.request_trace,
        "readiness": trace_renewal.readiness_trace,
        "scenarios": trace_renewal.scenario_trace,
        "plan": trace_renewal.plan_trace,
        "moves": trace_renewal.move_trace,
        "move_limits": trace_renewal.move_limit_trace,
        "meters": trace_meters.meter_trace,
        "cohorts": trace_meters.cohort_trace,
        "cohort_months": trace_meters.cohort_month_trace,
    }
)
_DOCS: Final = MappingProxyType({entry.rule.id: entry.rule for entry in (*GATES, *RULES)})
WHOLE: Final = MappingProxyType({"findings": "why", "gates": "says", "rules": "doc"})
"""The member of an element that speaks for the whole of it."""


class Explainer:
    """One verified audit, ready to be asked."""

    def __init__(self, analysis: Analysis, report: Report) -> None:
        """Take an analysis and the report that it gave."""
        self.ground = Ground(analysis, report)
        self.figures: Json = cast("Json", msgspec.to_builtins(report))

    def find(self, name: str) -> tuple[str, Json]:
        """Return path and value of a figure, or of a part of the report. Raises `FigureUnknown`."""
        return resolve(self.figures, name)

    def parts(self, found: Explanation) -> Iterator[tuple[str, Json]]:
        """Yield the other figures that a figure follows from, with their values."""
        return (self.find(part) for part in found.source.parts)

    def below(self, path: str, value: Json) -> Iterator[tuple[str, Json]]:
        """Yield the single figures of a part of the report with their paths."""
        return leaves(value, path)

    def explain(self, name: str) -> Explanation:
        """Explain a figure, or a finding, gate or rule as a whole. Raises `FigureUnknown`."""
        path, value = resolve(self.figures, name)
        element = ""
        if isinstance(value, Mapping):
            whole = WHOLE.get(path.partition("[")[0])
            if whole is None or path.count("[") != 1 or "." in path:
                first = next(iter(leaves(value, path)), (path, None))[0]
                message = f"{path} is a part of the report, with several figures. Ask for one of them, such as {first}."
                raise FigureUnknown(message)
            element = path
            path, value = f"{path}.{whole}", cast("Mapping[str, Json]", value)[whole]
        elif isinstance(value, list | tuple):
            message = f"{path} is a list of {len(value)}. Ask for one of them, such as {path}[0]."
            raise FigureUnknown(message)
        source = self._source(path)
        files = {row.file for row in source.rows} | set(source.files)
        requests = self.ground.rows.requests_for(files, source.requests)
        return Explanation(path, value, MEANINGS[pattern(path)], source, requests, element)

    def content(self, row: RowRef) -> Mapping[str, object]:
        """Return a row as the bundle has it."""
        return self.ground.rows.content(row)

    def _source(self, path: str) -> Source:
        shape, at = pattern(path), indices(path)
        head, _, field = shape.partition("[].")
        if path == "unpriced_seats":
            return trace_money.unpriced_trace(self.ground, shape, at)
        if head in _LISTS and field:
            return _LISTS[head](self.ground, field, at)
        return trace_head.trace(self.ground, shape, at)


def rule_text(rule: str) -> str:
    """Return a rule's name and words."""
    known = _DOCS[rule]
    return f"{known.id} {known.title}. {known.doc}"


def explainer_of(place: Path, fingerprint: str | None = None) -> Explainer:
    """Verify a bundle and make it ready to be asked. Raises `BundleInvalid`: a changed bundle explains nothing."""
    with bundle_at(place) as files:
        verified, analysis = verified_analysis(files, fingerprint)
    return Explainer(analysis, verified.report)


__all__ = ["Explainer", "Explanation", "FigureUnknown", "How", "explainer_of", "rule_text"]
