"""The report's figures are those of a second calculator that was written from the texts alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from isthmus.audit.login_table import LoginTable
from isthmus.audit.model import LoginKind, LoginRow
from tests.oracle.compare import compare
from tests.oracle.driver import report_of
from tests.oracle.population import Population, population

SEEDS = 48
BATCH = 12
RARE = (68, 86, 96, 161, 242)
"""Populations with two seats of different prices, an unlisted licence, a grant put off to today, seats beyond a contract."""
HERE = Path(__file__).parent
DRIVERS = {"driver.py", "test_oracle.py"}


@pytest.mark.parametrize("seeds", [*(range(first, first + BATCH) for first in range(0, SEEDS, BATCH)), RARE])
def test_every_figure_of_hard_populations_is_the_one_that_the_texts_give(seeds: Iterable[int]) -> None:
    for seed in seeds:
        files = population(seed)
        outcome = compare(files, report_of(files))
        assert (seed, outcome.found) == (seed, [])
        assert outcome.compared > 60


def test_the_populations_have_what_every_rule_and_every_figure_is_about() -> None:
    """The comparison would prove little about what never occurs."""
    rules: set[str] = set()
    graded: set[str] = set()
    figures: set[str] = set()
    for seed in range(SEEDS):
        report = report_of(population(seed))
        rules |= {finding["rule"] for finding in report["findings"]}
        graded |= {finding["grade"] for finding in report["findings"] if finding["saving_monthly"]}
        figures |= {
            name for total in report["money"] for name, value in total.items() if value not in ("0.00", 0, None)
        }
        figures |= {name for line in report["readiness"] for name, value in line.items() if value not in (0, None, "")}
        figures |= {"withheld"} if report["money_withheld"] else set()
    numbers = {f"R{n:02d}" for n in range(6, 25)}
    assert rules == numbers | {"R08b"}
    assert graded == {"A", "B", "C"}
    wanted = {"reclaim_now", "cash_at_renewal", "at_risk", "break_even_uplift_percent", "annual_cost", "withheld"}
    assert wanted | {"conservative", "base", "aggressive", "forecast", "minimum", "hires"} <= figures


def _more(report: dict[str, Any], name: str) -> None:
    report[name] += 1


def _dearer(report: dict[str, Any], name: str) -> None:
    total = report["money"][0]
    total[name] = f"{float(total[name]) + 0.01:.2f}"


def _surer(report: dict[str, Any], _: str) -> None:
    next(finding for finding in report["findings"] if finding["grade"] == "B")["grade"] = "A"


def _other_person(report: dict[str, Any], _: str) -> None:
    one, other = [finding for finding in report["findings"] if finding["rule"] == "R08"][:2]
    one["subject_id"] = other["subject_id"]


def _later(report: dict[str, Any], _: str) -> None:
    report["contract"][0]["notice_deadline"] = "2031-01-01"


def _fewer(report: dict[str, Any], name: str) -> None:
    line = next(line for line in report["readiness"] if line[name])
    line[name] -= 1


FAULTS: tuple[tuple[str, Callable[[dict[str, Any], str], None]], ...] = (
    *((name, _more) for name in ("seats_purchased", "seats_active", "seats_unused_a", "unpriced_seats")),
    *((name, _dearer) for name in ("reclaim_now", "cash_at_renewal", "at_risk", "annual_cost")),
    ("findings", _surer),
    ("findings", _other_person),
    ("contract", _later),
    *((name, _fewer) for name in ("base", "conservative", "aggressive", "spot")),
)


@pytest.mark.parametrize(("name", "fault"), FAULTS, ids=[f"{name}{fault.__name__}" for name, fault in FAULTS])
def test_a_report_that_was_altered_in_one_place_is_told_apart(
    name: str, fault: Callable[[dict[str, Any], str], None], rich: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    files, report = rich
    altered = copy.deepcopy(report)
    fault(altered, name)
    told = compare(files, altered).found
    assert any(name in line for line in told), told


@pytest.fixture(scope="module")
def rich() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the first population in which each of the faults has something to alter."""
    for seed in range(400):
        files = population(seed)
        if not files["settings.json"]["contract"]:
            continue
        report = report_of(files)
        grades = [finding["grade"] for finding in report["findings"]]
        inactive = [finding for finding in report["findings"] if finding["rule"] == "R08"]
        cases = any(line["aggressive"] for line in report["readiness"])
        if cases and report["money"] and report["seats_active"] and report["contract"] and len(inactive) > 1:
            assert "B" in grades
            return files, report
    raise AssertionError("no population has it all")


@pytest.mark.parametrize("seed", range(5))
def test_the_extract_of_logins_is_what_the_product_makes_of_the_same_logins(seed: int) -> None:
    made = Population(seed)
    files = made.make()
    table = LoginTable()
    made.rng.shuffle(made.events)
    for user, kind, success, at, count in made.events:
        table.add(LoginRow(user, at.date(), LoginKind(kind), success, count, at, at), (made.t0.date() - at.date()).days)
    rows = [msgspec.to_builtins(row) for row in table.rows()]
    as_bytes = [msgspec.json.decode(msgspec.json.encode(row)) for row in rows]
    assert [_instants(row) for row in as_bytes] == [_instants(row) for row in files["logins.jsonl"]]


def _instants(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, **{name: datetime.fromisoformat(row[name]) for name in ("first", "last")}}


def test_the_calculator_shares_no_code_with_the_product() -> None:
    for path in HERE.glob("*.py"):
        text = path.read_text("utf-8")
        if path.name not in DRIVERS:
            assert "import isthmus" not in text
            assert "from isthmus" not in text
