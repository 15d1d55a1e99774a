"""Computed columns: a record of a REST query and a row of a Bulk export become the same, or fail the same."""

from __future__ import annotations

import csv
import io
from collections import Counter
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.salesforce.records import Record
from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.flow.computed import Tools, needs_key, zones_of
from isthmus.sync.flow.expressions.moments import find_zone
from isthmus.sync.flow.expressions.values import number_text
from isthmus.sync.flow.mapping import StepMapping, Unsendable
from isthmus.sync.flow.masks import Masks
from isthmus.sync.model import Step
from isthmus.values import Secret
from tests.unit.sync.test_plan import lookup, same, text, thing

ORGS = same(
    thing("Account", text("Code__c", external_id=True, unique=True)),
    thing(
        "Contact",
        text("LastName"),
        text("Email", type="email"),
        text("Note__c", 40_000, type="textarea"),
        text("Day_As_Text__c"),
        text("Amount__c", 0, type="double", precision=18, scale=2),
        text("Ratio__c", 0, type="double", precision=18, scale=2),
        text("Seen__c", 0, type="datetime"),
        text("Day__c", 0, type="date"),
        text("Big__c", 0, type="boolean"),
        lookup("AccountId", "Account"),
    ),
)
YAML = """
  - object: Contact
    fields:
      LastName: {expr: 'coalesce(upper(LastName), "?")'}
      Email: Email
      Note__c: {expr: 'if(Big__c, Note__c & Note__c, Note__c)'}
      Day_As_Text__c: {expr: 'format(Seen__c, "YYYY-MM-DD HH", "Europe/Berlin")'}
      Amount__c: Amount__c
      Ratio__c: {expr: 'round(100 / Amount__c, 2)'}
      Day__c: {expr: 'if(starts_with(Note__c, "20"), date(Note__c))'}
      Big__c: {expr: 'Amount__c > 1000'}
      AccountId: {expr: 'Account.Code__c', by: Code__c}
    mask: {Email: email, Amount__c: number}
  - object: Account
    fields: {Code__c: Code__c}
"""
STEP: Step = next(step for step in ORGS.plan(YAML).plan.steps if step.target == "Contact")
ZONES = {name: zone for name in zones_of([STEP]) if (zone := find_zone(name)) is not None}
TOOLS = Tools(Masks(Secret(b"k" * 32)), ZONES)

LINES = st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12))
RECORDS = st.fixed_dictionaries(
    {
        "Id": st.one_of(st.none(), st.integers(0, 10**9).map("003{:015d}".format)),
        "LastName": LINES,
        "Email": st.one_of(st.none(), st.just("a@b.co")),
        "Note__c": st.one_of(LINES, st.sampled_from(("2026-01-31", "#N/A", "2026-02-30", "x" * 20_000, "2024-02-29"))),
        "Seen__c": st.one_of(st.none(), st.datetimes(timezones=st.just(None)).map(lambda at: at.isoformat("T", "milliseconds"))),
        "Amount__c": st.one_of(st.none(), st.just(Decimal(0)), st.decimals(min_value=-(10**9), max_value=10**9, places=2)),
        "Big__c": st.booleans(),
        "Account": st.one_of(st.none(), st.sampled_from(("A-1", 'B"2', None)).map(lambda code: {"Code__c": code})),
    }
)  # fmt: skip


def json_record(record: dict[str, Any]) -> Record:
    seen = record["Seen__c"]
    return {**record, "Seen__c": None if seen is None else seen + "+0000"}


def csv_cells(record: dict[str, Any], select: tuple[str, ...]) -> list[str]:
    cells: list[str] = []
    for name in select:
        value = (record["Account"] or {}).get("Code__c") if name == "Account.Code__c" else record[name]
        if name == "Seen__c" and value is not None:
            value += "Z"
        if isinstance(value, bool):
            value = "true" if value else "false"
        cells.append("" if value is None else number_text(value) if isinstance(value, Decimal) else value)
    return cells


def exported(records: list[dict[str, Any]], select: tuple[str, ...]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows(csv_cells(record, select) for record in records)
    return out.getvalue().encode()


@given(records=st.lists(RECORDS, min_size=1, max_size=8))
@settings(max_examples=250, deadline=None)
def test_both_paths_compute_the_same_and_fail_the_same(records: list[dict[str, Any]]) -> None:
    mapping = StepMapping(STEP, tools=TOOLS)
    one_by_one = [mapping.from_record(json_record(record)) for record in records]
    parsed = mapping.parsed(exported(records, mapping.select))
    mapped = mapping.from_block(parsed.block)
    at_once = [record for part in mapped.parts for record in mapping.from_part(part)]
    at_once += [record for cells in mapped.loose if not isinstance(record := mapping.from_cells(cells), Unsendable)]
    sent = [record for record in one_by_one if not isinstance(record, Unsendable)]
    assert sorted(map(repr, at_once)) == sorted(map(repr, sent))
    failed = Counter((record.code.name, record.ordinal) for record in one_by_one if isinstance(record, Unsendable))
    by_bulk = Counter({(StatusCode.TRANSFORM_FAILED.name, ordinal): rows for ordinal, rows in parsed.failed.items()})
    by_bulk += Counter({("MISSING_ARGUMENT", None): mapped.keyless})
    assert by_bulk == failed
    assert mapped.rows == len(records)


def test_equal_inputs_are_computed_once_a_block() -> None:
    mapping = StepMapping(STEP, tools=TOOLS)
    record = {
        "Id": "003",
        "LastName": "x",
        "Email": "a@b.co",
        "Note__c": None,
        "Seen__c": None,
        "Amount__c": Decimal(5),
    }
    records = [{**record, "Id": f"003{n:015d}", "Big__c": True, "Account": None} for n in range(500)]
    block = mapping.codec.parse(exported(records, mapping.select))
    grown = mapping.parsed(exported(records, mapping.select)).block
    assert len(grown.content) - len(block.content) < 200  # behind 500 rows stand the results of one


def test_a_step_without_transforms_leaves_its_blocks_alone() -> None:
    plain = ORGS.plan("  - object: Contact\n    fields: {LastName: LastName, Email: Email}\n").plan.steps[0]
    mapping = StepMapping(plain)
    block = mapping.parsed(b'"003000000000000001","a","b"\n').block
    assert block.lost is None
    assert block.content == b'"003000000000000001","a","b"\n'


def test_what_a_job_needs_is_told_by_its_steps() -> None:
    assert needs_key([STEP])
    assert zones_of([STEP]) == {"Europe/Berlin"}
    redacted = ORGS.plan(
        "  - object: Contact\n    fields: {LastName: LastName}\n    mask: {LastName: redact}\n"
    ).plan.steps
    assert not needs_key(redacted)


def test_what_no_org_should_send_fails_its_row_and_nothing_else() -> None:
    mapping = StepMapping(STEP, tools=TOOLS)
    record = {"Id": "003", "LastName": "x", "Email": None, "Note__c": None, "Seen__c": None, "Amount__c": None}
    for name, value in (
        ("Email", "\ud800"),
        ("Amount__c", "no number"),
        ("Amount__c", True),
        ("Amount__c", 10**400),
        ("Amount__c", Decimal("1E+999999")),
        ("Seen__c", "yesterday"),
        ("Seen__c", 5),
        ("Big__c", [1]),
        ("Big__c", "maybe"),
    ):
        failed = mapping.from_record({**record, "Big__c": False, "Account": None, name: value})
        assert isinstance(failed, Unsendable), (name, value)
        assert failed.code == StatusCode.TRANSFORM_FAILED


def test_nothing_of_a_row_shows_in_a_block_or_a_failure() -> None:
    mapping = StepMapping(STEP, tools=TOOLS)
    record = {
        "Id": "003",
        "LastName": "secret",
        "Email": None,
        "Note__c": "20secret",
        "Seen__c": None,
        "Amount__c": None,
    }
    failed = mapping.from_record({**record, "Big__c": False, "Account": None})
    parsed = mapping.parsed(exported([{**record, "Big__c": False, "Account": None}], mapping.select))
    assert isinstance(failed, Unsendable)
    assert "secret" not in repr(failed) + repr(parsed) + repr(parsed.block)
