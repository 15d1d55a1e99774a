"""Lookups that may point at several kinds of record: planned once, carried alike in JSON and in files (hard case 23)."""

from __future__ import annotations

import csv
import io

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.salesforce.schema import FieldDescribe, ObjectDescribe
from isthmus.sync.flow.mapping import StepMapping, Unsendable
from isthmus.sync.model import Column, ColumnKind, ParentKind, Rejected, Severity, Step, StepKind
from isthmus.sync.plan import draw_plan, schema_of
from isthmus.sync.spec import parse_spec
from tests.unit.sync.test_plan import KEY, Orgs, lookup, text, thing


def prefixed(describe: ObjectDescribe, prefix: str | None) -> ObjectDescribe:
    return msgspec.structs.replace(describe, key_prefix=prefix)


def what(*kinds: str, **more: object) -> FieldDescribe:
    return lookup("WhatId", *kinds, polymorphic=True, **more)


ACCOUNT = prefixed(thing("Account", text("Name", nillable=False)), "001")
CASE = prefixed(thing("Case", text("Subject")), "500")
TASK = prefixed(thing("Task", text("Subject"), what("Account", "Campaign", "Case")), "00T")
ORGS = Orgs([ACCOUNT, CASE, TASK], [ACCOUNT, CASE, TASK])
STEPS = "  - object: Task\n  - object: Account\n  - object: Case\n"


def test_each_kind_of_parent_travels_by_the_key_of_its_step_after_all_of_them() -> None:
    drawn = ORGS.plan(STEPS)
    assert [step.target for step in drawn.plan.steps] == ["Account", "Case", "Task"]
    column = drawn.plan.steps[2].columns[-1]
    assert column.kinds == (
        ParentKind(prefix="001", object="Account", key=KEY),
        ParentKind(prefix="500", object="Case", key=KEY),
    )
    assert column.headers == (f"Account:What.{KEY}", f"Case:What.{KEY}")


def test_kinds_of_parents_that_the_sync_does_not_carry_are_named() -> None:
    (issue,) = [issue for issue in ORGS.plan(STEPS).issues if issue.code == "parents_of_other_kinds"]
    assert issue.severity is Severity.WARNING
    assert "pointing at Campaign" in issue.text


def test_without_any_of_its_parents_the_lookup_is_left_out() -> None:
    drawn = ORGS.plan("  - object: Task\n")
    assert [column.target for column in drawn.plan.steps[0].columns] == ["Subject"]
    assert {issue.code for issue in drawn.issues} == {"parent_not_in_sync"}


def test_a_source_that_does_not_say_how_ids_begin_is_refused() -> None:
    source = [prefixed(ACCOUNT, None), CASE, TASK]
    spec = parse_spec(f"version: 1\nname: x\nsteps:\n{STEPS}")
    drawn = draw_plan(spec, schema_of(source), schema_of(ORGS.target))
    assert isinstance(drawn, Rejected)
    assert "no_key_prefix" in {issue.code for issue in drawn.issues}


def test_a_lookup_of_one_kind_in_the_target_does_not_name_it() -> None:
    target = [ACCOUNT, CASE, prefixed(thing("Task", text("Subject"), lookup("WhatId", "Case")), "00T")]
    column = Orgs(ORGS.source, target).plan(STEPS).plan.steps[2].columns[-1]
    assert column.headers == (f"What.{KEY}",)
    assert column.kinds[0].prefix == "500"


WHAT = Column(
    target="WhatId",
    kind=ColumnKind.PARENT,
    source="WhatId",
    relationship="What",
    kinds=tuple(
        ParentKind(prefix=prefix, object=name, key=KEY) for prefix, name in (("001", "Account"), ("500", "Case"))
    ),
)
WHO = Column(target="WhoId", kind=ColumnKind.PARENT, source="WhoId", relationship="Who", parent_key=KEY)
SUBJECT = Column(target="Subject", kind=ColumnKind.COPY, source="Subject")
ids = st.sampled_from([None, "001", "500", "701", "003"])


@pytest.mark.parametrize("kind", [StepKind.LOAD, StepKind.LINK])
@settings(deadline=None)
@given(rows=st.lists(st.tuples(ids, ids), min_size=1, max_size=20), quoted=st.booleans())
def test_files_and_json_say_the_same_of_every_parent(
    kind: StepKind, rows: list[tuple[str | None, str | None]], *, quoted: bool
) -> None:
    """Hard case 23: rows of different kinds need different columns, JSON needs the type first."""
    step = Step(kind=kind, source="Task", target="Task", key=KEY, columns=(SUBJECT, WHAT, WHO))
    mapping = StepMapping(step)
    records: dict[str, dict[str, str | None]] = {}
    for number, (what_prefix, who_prefix) in enumerate(rows):
        row_id = f"00T{number:015d}"
        records[row_id] = {
            "Id": row_id,
            "Subject": f"call {number}",
            "WhatId": what_prefix and f"{what_prefix}{number:015d}",
            "WhoId": who_prefix and f"{who_prefix}{number:015d}",
        }
    by_json = {row_id: mapping.from_record(record) for row_id, record in records.items()}
    by_file: dict[str, object] = {}
    out = io.StringIO()
    style = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    writer = csv.writer(out, quoting=style, lineterminator="\n")
    writer.writerows([[record[name] or "" for name in mapping.select] for record in records.values()])
    for part in mapping.from_block(mapping.codec.parse(out.getvalue().encode())).parts:
        for record in mapping.from_part(part):
            by_file[str(record[KEY])] = record
    assert by_file == by_json
    for row_id, record in by_json.items():
        assert not isinstance(record, Unsendable)
        known = str(records[row_id]["WhatId"] or "")[:3] in {"001", "500"}
        assert ("What" in record) == known
        assert ("WhatId" in record) == (not known and kind is StepKind.LOAD)
        if known:
            parent = record["What"]
            assert isinstance(parent, dict)
            assert next(iter(parent)) == "attributes"
