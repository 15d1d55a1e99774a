"""Every figure of a report leads to its rows, its rule and its request, and what is said about it is true."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any, cast

import msgspec
import pytest

from isthmus.audit.analysis import analyse
from isthmus.audit.evidence.bundle import read_bundle
from isthmus.audit.explain.explain import Explainer
from isthmus.audit.explain.meanings import MEANINGS
from isthmus.audit.explain.model import Explanation, How
from isthmus.audit.explain.path import FigureUnknown, Json, leaves, pattern
from isthmus.audit.explain.rows import FIELDS, REQUESTS_OF
from isthmus.audit.figures import Report
from isthmus.audit.judge import Judged
from isthmus.salesforce.audit_queries import AUDIT_QUERIES
from tests.unit.audit import orgs

_PLACES = re.compile(r"([A-Za-z_]\w*)|\[(\d+)\]")


def explainer(judged: Judged) -> Explainer:
    snapshot, basis, _ = read_bundle(judged.bundle)
    return Explainer(analyse(snapshot, basis), judged.report)


@cache
def of(org: str) -> Explainer:
    return explainer(next(make for make in orgs.ORGS if make.__name__ == org)())


def value_of(told: Explainer, path: str) -> Json:
    return told.find(path)[1]


def field_of(row: Mapping[str, Any], column: str) -> Any:
    value: Any = row
    for name, index in _PLACES.findall(column):
        value = value[name] if name else value[int(index)]
    return value


def amount(value: Json) -> Decimal:
    return Decimal(0) if value is None else Decimal(cast("str | int", value))


def held_to_its_word(told: Explainer, found: Explanation) -> bool:
    """Whether the figure is what its explanation says that it is."""
    source, value = found.source, found.value
    total = source.factor * sum((step.value for step in source.steps), Decimal(0))
    parts = [value_of(told, part) for part in source.parts]
    kept: Mapping[How, Callable[[], bool]] = {
        How.FIELD: lambda: field_of(told.content(source.rows[0]), source.column) == value,
        How.ROWS: lambda: len(set(source.rows)) == len(source.rows) == value,
        How.COUNT: lambda: len(parts) == value,
        How.SUM: lambda: sum(map(amount, parts)) == amount(value),
        How.SAME: lambda: parts[0] == value,
        How.STEPS: lambda: total.quantize(Decimal("0.01"), ROUND_HALF_UP) == amount(value),
        How.SETTING: lambda: bool(source.settings),
        How.WITHHELD: lambda: value in (None, "", 0) and bool(source.said),
        How.WORDS: lambda: bool(source.said) and not source.rows,
        How.RECKONED: lambda: bool(source.said) and bool(source.rows or source.files or parts or source.settings),
    }
    return kept[source.how]()


@pytest.mark.parametrize("org", [make.__name__ for make in orgs.ORGS])
def test_every_figure_has_an_explanation_that_is_true(org: str) -> None:
    told = of(org)
    wrong = [path for path, _ in leaves(told.figures) if not held_to_its_word(told, told.explain(path))]
    assert wrong == []


@pytest.mark.parametrize("org", [make.__name__ for make in orgs.ORGS])
def test_every_figure_ends_in_rows_files_or_settings_of_the_bundle(org: str) -> None:
    told = of(org)
    ends: dict[str, bool] = {}

    def grounded(path: str) -> bool:
        if path not in ends:
            ends[path] = False  # a circle grounds nothing
            found = told.explain(path).source
            own = bool(found.rows or found.files or found.settings or found.requests) or found.how is How.WORDS
            ends[path] = own or any(grounded(part) for part in found.parts)
        return ends[path]

    assert [path for path, _ in leaves(told.figures) if not grounded(path)] == []


@pytest.mark.parametrize("org", [make.__name__ for make in orgs.ORGS])
def test_every_row_and_part_named_exists_and_extracts_name_their_request(org: str) -> None:
    told = of(org)
    sent = {line.name for line in told.ground.report.requests}
    for path, _ in leaves(told.figures):
        found = told.explain(path)
        for part in found.source.parts:
            assert told.find(part)[0] == part
        for row in found.source.rows[:2]:
            assert told.content(row)
        files = {row.file for row in found.source.rows} | set(found.source.files)
        wanted = [name for file in files for name in REQUESTS_OF[file]]
        if sent and wanted:
            assert found.requests, path


def test_the_walk_sees_every_kind_of_figure_that_a_report_can_have() -> None:
    """No list of the report is empty in all of the orgs, so nothing goes unexplained because it was not there."""
    seen = {pattern(path) for make in orgs.ORGS for path, _ in leaves(of(make.__name__).figures)}
    lists = {pattern(path).partition("[]")[0] for path in seen}
    missing = {name for name in Report.__struct_fields__ if name not in lists}
    assert missing == set()
    assert {path for path in MEANINGS if path not in seen} <= {"readiness[].forecast"}


def test_the_check_sees_a_planted_lie() -> None:
    told = of("plain")
    report = msgspec.structs.replace(told.ground.report, users=7, seats_unused=99)
    liar = Explainer(told.ground.analysis, report)
    assert [p for p, _ in leaves(liar.figures) if not held_to_its_word(liar, liar.explain(p))] == [
        "seats_unused",
        "users",
    ]


def test_a_finding_is_explained_by_the_person_s_row_logins_licence_rule_and_settings() -> None:
    told = of("everything")
    line = next(f for f in told.ground.report.findings if f.subject == "Ivan Inactive" and f.rule == "R08")
    found = told.explain(str(line.ordinal))
    rows = [told.content(row) for row in found.source.rows]
    assert rows[0]["name"] == "Ivan Inactive"
    assert {row.file for row in found.source.rows} == {"users.jsonl", "licenses.jsonl", "logins.jsonl"}
    assert [row["user"] for row in rows if "user" in row] == [line.subject_id]
    assert found.source.rules == ("R08",)
    assert "thresholds.inactive_days" in {s.name for s in found.source.settings}
    assert {r.name for r in found.requests} >= {"users_verified_portal_features", "logins_subtype", "licenses"}


def test_one_person_on_two_seats_is_explained_by_both_rows() -> None:
    told = of("plain")
    line = next(f for f in told.ground.report.findings if f.rule == "R15")
    names = [told.content(row).get("name") for row in told.explain(str(line.ordinal)).source.rows]
    assert {"Twin One", "Twin Two"} <= set(names)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("licenses[SFDC].unused", "licenses[0].unused"),
        ("licenses[Salesforce Platform].unused", "licenses[1].unused"),
        ("money[usd].reclaim_now", "money[0].reclaim_now"),
        ("sensitivity[90].seats", "sensitivity[2].seats"),
        (" seats_unused ", "seats_unused"),
        ("1", "findings[0].why"),
        ("gates[R00]", "gates[0].says"),
    ],
)
def test_figures_are_found_by_number_and_by_name(name: str, path: str) -> None:
    assert of("everything").explain(name).figure == path


@pytest.mark.parametrize(
    "name", ["", "nothing", "licenses[99].unused", "licenses", "licenses[0]", "a b", "0", "money[XXX].basis"]
)
def test_a_name_that_is_no_figure_is_refused_saying_what_there_is(name: str) -> None:
    with pytest.raises(FigureUnknown):
        of("everything").explain(name)


def test_each_field_of_an_extract_names_the_field_of_the_object_and_it_is_asked_for() -> None:
    snapshot = of("plain").ground.view.snapshot
    structs = {
        "licenses.jsonl": snapshot.licenses[0],
        "psls.jsonl": snapshot.psls[0],
        "psl_assigns.jsonl": snapshot.assigns[0],
        "users.jsonl": snapshot.users[0],
    }
    asked = " ".join(query.text for query in AUDIT_QUERIES.values())
    for file, row in structs.items():
        assert set(FIELDS[file]) >= set(row.__struct_fields__) - {"maximum", "permissions"}
    for fields in FIELDS.values():
        for name in fields.values():
            assert all(word.strip(".") in asked for word in re.split(r", |\(|\)", name) if word.strip("."))
