"""Plans of two-way syncs: both directions from the same describes, and what has no way back is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from isthmus.salesforce.schema import FieldDescribe, ObjectDescribe
from isthmus.sync.flow.job import WindowJob
from isthmus.sync.model import Drawn, Rejected, StepKind, Window
from isthmus.sync.pairing import Likeness, Winner
from isthmus.sync.plan import Schema, draw_plan, schema_of
from isthmus.sync.planning.two_way import opposite
from isthmus.sync.spec import parse_spec
from isthmus.sync.windows import step_jobs, uncarried, unread_by_load

HEAD = "version: 1\nname: x\ndirection: two-way\nconflicts: newest_wins\nsteps:\n"


def text(name: str, **more: object) -> FieldDescribe:
    known: dict[str, object] = {"type": "string", "length": 80, "createable": True, "updateable": True}
    known |= {"nillable": True, "filterable": True, **more}
    return FieldDescribe(name=name, label=name, **known)  # type: ignore[arg-type]


def traces() -> tuple[FieldDescribe, ...]:
    names = (("LastModifiedById", "reference"), ("LastModifiedDate", "datetime"), ("SystemModstamp", "datetime"))
    made = [text(name, type=kind, createable=False, updateable=False) for name, kind in names]
    return (*made, text("IsDeleted", type="boolean", createable=False, updateable=False))


def account(*more: FieldDescribe, scale: int = 2) -> ObjectDescribe:
    fields = (
        text("Id", type="id", createable=False, updateable=False, length=18),
        text("Name", nillable=False),
        text("Email", type="email"),
        text("Kinds", type="multipicklist", picklist_values=("a", "b")),
        text("Money", type="currency", precision=18, scale=scale),
        text("ParentId", type="reference", reference_to=("Account",), relationship_name="Parent"),
        *traces(),
        *more,
    )
    known = {"label": "Account", "custom": False, "queryable": True, "createable": True, "updateable": True}
    return ObjectDescribe(name="Account", fields=fields, replicateable=True, deletable=True, **known)  # type: ignore[arg-type]


def schema(*objects: ObjectDescribe) -> Schema:
    return schema_of(objects)


def drawn(steps: str, source: ObjectDescribe | None = None, target: ObjectDescribe | None = None) -> Drawn:
    found = draw_plan(parse_spec(HEAD + steps), schema(source or account()), schema(target or account()))
    assert isinstance(found, Drawn), found.issues
    return found


def test_both_directions_are_drawn_and_deletions_come_first() -> None:
    plan = drawn("  - {object: Account, deletes: {action: delete}}\n").plan
    assert plan.two_way
    shape = [(step.kind, step.backward) for step in plan.steps]
    kinds = (StepKind.DELETE, StepKind.LOAD, StepKind.LINK)
    assert shape == [(kind, backward) for kind in kinds for backward in (False, True)]
    assert plan.tracking == plan.tracking_source == ("Account",)
    assert [opposite(plan, number) for number in range(6)] == [1, 0, 3, 2, 5, 4]


def test_a_pass_that_sets_links_is_told_what_the_load_of_the_other_side_has_not_read() -> None:
    plan = drawn("  - {object: Account, deletes: {action: delete}}\n").plan
    day = datetime(2026, 1, 1, tzinfo=UTC)
    loaded, linked = day, day + timedelta(hours=1)  # a run that was resumed: its later steps have read further
    failed = Window(day - timedelta(hours=2), day - timedelta(hours=1))
    marks, waiting = {2: loaded, 4: linked}, [(2, failed)]
    assert uncarried(plan, 5, marks, waiting) == (WindowJob(linked),)
    assert unread_by_load(plan, 5, marks, waiting) == (WindowJob(loaded), WindowJob(failed.since, failed.until))
    assert unread_by_load(plan, 3, marks, waiting) == ()
    (job,) = [
        each for each in step_jobs(plan, settled=(), marks=marks, retries=(), waiting=waiting) if each.ordinal == 5
    ]
    assert (job.uncarried, job.unloaded) == (
        (WindowJob(linked),),
        (WindowJob(loaded), WindowJob(failed.since, failed.until)),
    )


def test_values_are_compared_as_the_orgs_store_them() -> None:
    pairing = drawn("  - object: Account\n").plan.steps[0].pairing
    assert pairing is not None
    wanted = {"Name": Likeness.TEXT, "Email": Likeness.EMAIL, "Kinds": Likeness.SET, "Money": Likeness.NUMBER}
    assert {name: pairing.likeness[name] for name in wanted} == wanted
    assert pairing.parents == {"ParentId": "Parent"}


def test_a_rule_means_the_same_org_in_both_directions() -> None:
    steps = "  - {object: Account, conflicts: {Name: source_wins, Email: target_wins, Money: hold}}\n"
    there, back = (step.pairing for step in drawn(steps).plan.steps[:2])
    assert there is not None
    assert back is not None
    assert there.fields == {"Name": Winner.SOURCE, "Email": Winner.TARGET, "Money": Winner.HOLD}
    assert back.fields == {"Name": Winner.TARGET, "Email": Winner.SOURCE, "Money": Winner.HOLD}
    assert (there.conflicts, there.ties, back.conflicts, back.ties) == (
        Winner.NEWEST,
        Winner.SOURCE,
        Winner.NEWEST,
        Winner.TARGET,
    )


def test_decimals_that_one_org_would_round_are_left_out_in_both_directions() -> None:
    found = drawn("  - object: Account\n", target=account(scale=0))
    assert all("Money" not in {column.target for column in step.columns} for step in found.plan.steps)
    assert "two_way_lossy" in {issue.code for issue in found.issues}


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ("  - {object: Account, fields: {Name: Name, Email: '=a@b.example'}}\n", "two_way_not_invertible"),
        ("  - {object: Account, fields: {Name: Name, Email: Name}}\n", "two_way_not_invertible"),
        ("  - {object: Account, mask: {Email: email}}\n", "two_way_not_invertible"),
        ("  - {object: Account, match: Email}\n", "two_way_not_invertible"),
        ("  - {object: Account, picklists: {Kinds: {a: b, '*': b}}}\n", "two_way_not_invertible"),
        ("  - object: Account\n  - {source: Account, target: Account}\n", "two_way_object_twice"),
        ("  - {object: Account, adopt_on: Money}\n", "adopt_not_searchable"),
    ],
)
def test_what_has_no_way_back_is_refused_with_the_reason(steps: str, code: str) -> None:
    found = draw_plan(parse_spec(HEAD + steps), schema(account()), schema(account()))
    assert isinstance(found, Rejected)
    assert code in {issue.code for issue in found.issues}
    assert all(issue.remedy for issue in found.issues)


def test_an_object_that_does_not_say_who_changed_it_cannot_go_both_ways() -> None:
    blind = ObjectDescribe(
        name="Account", label="A", custom=False, queryable=True, createable=True, updateable=True, deletable=True,
        replicateable=True, fields=(text("Id", type="id"), text("Name"), traces()[2]),
    )  # fmt: skip
    found = draw_plan(parse_spec(HEAD + "  - object: Account\n"), schema(blind), schema(account()))
    assert isinstance(found, Rejected)
    assert {issue.code for issue in found.issues} == {"two_way_no_trace"}


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("version: 1\nname: x\ndirection: two-way\nsteps: [{object: Account}]\n", "conflicts_missing"),
        ("version: 1\nname: x\nconflicts: hold\nsteps: [{object: Account}]\n", "two_way_only"),
        ("version: 1\nname: x\nsteps: [{object: Account, back: {where: Name = 'x'}}]\n", "two_way_only"),
    ],
)
def test_a_direction_and_its_rules_go_together(document: str, code: str) -> None:
    found = draw_plan(parse_spec(document), schema(account()), schema(account()))
    assert isinstance(found, Rejected)
    assert {issue.code for issue in found.issues} == {code}


def test_issues_of_the_way_back_name_the_orgs_as_the_sync_does() -> None:
    found = draw_plan(
        parse_spec(HEAD + "  - object: Account\n"), schema(account(text("Must__c", nillable=False))), schema(account())
    )
    assert isinstance(found, Rejected)
    wanted = [issue for issue in found.issues if issue.code == "required_field_missing"]
    assert [issue.text for issue in wanted] == [
        "on the way back: Must__c is required in the source and nothing fills it"
    ]
