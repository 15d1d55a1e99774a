"""Plans as a pure function of the definition and of two orgs' describes."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest

from isthmus.salesforce.schema import FieldDescribe, ObjectDescribe, RecordTypeDescribe
from isthmus.sync.model import ColumnKind, Drawn, OwnerRule, RecordTypeRule, Rejected, Severity, StepKind, UserKey
from isthmus.sync.plan import draw_plan, schema_of
from isthmus.sync.spec import parse_spec

KEY = "SwiftPort_Source_Id__c"


def text(name: str, length: int = 80, **more: object) -> FieldDescribe:
    return FieldDescribe(
        **{
            "name": name,
            "label": name,
            "type": "string",
            "length": length,
            "createable": True,
            "updateable": True,
            "filterable": True,
            **more,
        }
    )


def lookup(name: str, *parents: str, **more: object) -> FieldDescribe:
    relationship = name.removesuffix("Id") if name.endswith("Id") else name.replace("__c", "__r")
    return text(name, 18, type="reference", reference_to=parents, relationship_name=relationship, **more)


def thing(name: str, *fields: FieldDescribe, key: bool = True) -> ObjectDescribe:
    own = (
        text("Id", 18, type="id", createable=False, updateable=False, nillable=False),
        text("SystemModstamp", 0, type="datetime", createable=False, updateable=False),
        *([text(KEY, 18, external_id=True, unique=True)] if key else []),
    )
    flags = dict.fromkeys(("queryable", "createable", "updateable", "deletable", "replicateable"), True)
    return ObjectDescribe(name=name, label=name, custom=False, fields=(*own, *fields), **flags)


@dataclass
class Orgs:
    source: list[ObjectDescribe]
    target: list[ObjectDescribe]

    def draw(self, steps: str) -> Drawn | Rejected:
        spec = parse_spec(f"version: 1\nname: x\nsteps:\n{steps}")
        return draw_plan(spec, schema_of(self.source), schema_of(self.target))

    def plan(self, steps: str) -> Drawn:
        drawn = self.draw(steps)
        assert isinstance(drawn, Drawn), drawn
        return drawn

    def codes(self, steps: str) -> set[str]:
        drawn = self.draw(steps)
        assert isinstance(drawn, Rejected)
        return {issue.code for issue in drawn.issues if issue.severity is Severity.ERROR}


def same(*objects: ObjectDescribe) -> Orgs:
    return Orgs(list(objects), list(objects))


CRM = same(
    thing("Account", text("Name", nillable=False), lookup("ParentId", "Account")),
    thing("Contact", text("LastName", nillable=False), lookup("AccountId", "Account"), lookup("OwnerId", "User")),
)


def test_parents_come_first_whatever_the_order_in_the_file() -> None:
    plan = CRM.plan("  - object: Contact\n  - object: Account\n").plan
    assert [(step.kind, step.target) for step in plan.steps] == [
        (StepKind.LOAD, "Account"),
        (StepKind.LOAD, "Contact"),
        (StepKind.LINK, "Account"),
    ]


def test_a_parent_travels_by_the_external_id_of_its_step() -> None:
    step = CRM.plan("  - object: Account\n  - object: Contact\n").plan.steps[1]
    column = next(column for column in step.columns if column.target == "AccountId")
    assert (column.kind, column.headers) == (ColumnKind.PARENT, (f"Account.{KEY}",))


def test_a_self_reference_waits_for_a_second_pass() -> None:
    load, link = CRM.plan("  - object: Account\n").plan.steps
    assert [column.target for column in load.columns] == ["Name"]
    assert [column.target for column in load.clears] == ["ParentId"]
    # Whole rows again: the lookup alone would make an empty record of a row whose load was refused.
    assert [column.target for column in link.columns] == ["Name", "ParentId"]
    assert link.links == ("ParentId",)


def test_a_circle_is_broken_at_a_lookup_that_may_be_empty() -> None:
    orgs = same(
        thing("A", text("Name"), lookup("B__c", "B", nillable=False)), thing("B", text("Name"), lookup("A__c", "A"))
    )
    steps = orgs.plan("  - object: A\n  - object: B\n").plan.steps
    assert [(step.kind, step.target) for step in steps] == [
        (StepKind.LOAD, "B"),
        (StepKind.LOAD, "A"),
        (StepKind.LINK, "B"),
    ]


def test_a_circle_of_required_lookups_is_refused() -> None:
    orgs = same(
        thing("A", text("Name"), lookup("B__c", "B", nillable=False)),
        thing("B", text("Name"), lookup("A__c", "A", nillable=False)),
    )
    assert orgs.codes("  - object: A\n  - object: B\n") == {"circle_of_required"}


def test_lookups_and_owners_that_the_sync_does_not_carry_are_named() -> None:
    drawn = CRM.plan("  - object: Contact\n")
    assert {issue.code for issue in drawn.issues} == {"parent_not_in_sync", "own_rule"}


def test_a_missing_tracking_field_is_left_to_the_activation() -> None:
    orgs = Orgs(CRM.source, [thing("Account", text("Name", nillable=False), key=False)])
    assert orgs.plan("  - object: Account\n    fields: {Name: Name}\n").plan.tracking == ("Account",)


def test_fields_that_cannot_be_carried_are_left_out() -> None:
    orgs = same(
        thing(
            "Account",
            text("Name"),
            text("Formula__c", calculated=True, createable=False, updateable=False),
            text("Number__c", auto_number=True, createable=False, updateable=False),
            text("BillingAddress", type="address"),
            text("Photo__c", type="base64"),
            text("Once__c", updateable=False),
        )
    )
    assert [column.target for column in orgs.plan("  - object: Account\n").plan.steps[0].columns] == ["Name"]


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ("  - object: Ghost\n", "source_object_missing"),
        ("  - object: Account\n    fields: {Name: Name, No__c: Name}\n", "target_field_missing"),
        ("  - object: Account\n    fields: {Name: No__c}\n", "source_field_missing"),
        ("  - object: Account\n    fields: {ParentId: ParentId}\n", "required_field_missing"),
        ("  - object: Account\n    match: No__c\n", "match_field_missing"),
        ("  - object: Account\n    match: Name\n", "match_field_unusable"),
        ("  - object: Account\n    where: No__c = 1\n", "filter_field_missing"),
        ("  - object: Account\n    where: Name = 'a' LIMIT 1\n", "filter_refused"),
        ("  - object: Account\n  - object: Account\n", "step_twice"),
        ("  - object: Contact\n    fields: {LastName: LastName, AccountId: AccountId}\n", "parent_not_in_sync"),
    ],
)
def test_what_cannot_work_is_refused_by_name(steps: str, code: str) -> None:
    assert code in CRM.codes(steps)


@pytest.mark.parametrize(
    ("source", "target", "code"),
    [
        (text("F", 255), text("F", 80), "may_be_too_long"),
        (text("F", type="double", precision=18), text("F", type="double", precision=5), "may_be_out_of_range"),
        (
            text("F", type="picklist", picklist_values=("a", "b")),
            text("F", type="picklist", restricted_picklist=True, picklist_values=("a",)),
            "picklist_gap",
        ),
        (
            text("F", type="picklist", picklist_values=("a",)),
            text("F", type="picklist", restricted_picklist=True, picklist_values=("b",)),
            "picklist_disjoint",
        ),
    ],
)
def test_values_that_may_not_fit_are_warned_of(source: FieldDescribe, target: FieldDescribe, code: str) -> None:
    orgs = Orgs([thing("A", text("Name"), source)], [thing("A", text("Name"), target)])
    drawn = orgs.plan("  - object: A\n")
    assert [(issue.severity, issue.code) for issue in drawn.issues] == [(Severity.WARNING, code)]


@pytest.mark.parametrize(
    "pair", [("string", "double"), ("datetime", "date"), ("boolean", "string"), ("double", "boolean")]
)
def test_types_that_do_not_fit_are_refused_when_asked_for(pair: tuple[str, str]) -> None:
    orgs = Orgs([thing("A", text("F", type=pair[0]))], [thing("A", text("F", type=pair[1]))])
    assert orgs.codes("  - object: A\n    fields: {F: F}\n") >= {"types_differ"}


TYPES = (
    RecordTypeDescribe(developer_name="Big", name="Big", active=True, available=True, default=True, master=False),
    RecordTypeDescribe(developer_name="Small", name="Small", active=True, available=True, default=False, master=False),
)


def typed(*types: RecordTypeDescribe) -> ObjectDescribe:
    fields = (text("Name"), lookup("OwnerId", "User"), lookup("RecordTypeId", "RecordType"), picklist("Rating", "Hot"))
    return msgspec.structs.replace(thing("Account", *fields), record_types=types)


def picklist(name: str, *values: str) -> FieldDescribe:
    return text(name, type="picklist", restricted_picklist=True, picklist_values=values)


def test_owners_are_named_by_natural_key_and_never_by_id() -> None:
    """Hard case 27."""
    orgs = same(typed())
    plan = orgs.plan("  - object: Account\n    owner: {match: email, fallback: admin@acme.com}\n").plan
    column = next(column for column in plan.steps[0].columns if column.target == "OwnerId")
    assert (column.kind, column.source) == (ColumnKind.MAP, "OwnerId")
    assert column.rule == OwnerRule(match=UserKey.EMAIL, fallback="admin@acme.com")
    fixed = orgs.plan("  - object: Account\n    owner: {user: admin@acme.com}\n").plan.steps[0].columns[-1]
    assert (fixed.source, fixed.rule) == ("Id", OwnerRule(user="admin@acme.com"))


def test_record_types_with_namesakes_travel_by_themselves_and_others_are_named() -> None:
    both = same(typed(*TYPES)).plan("  - object: Account\n").plan.steps[0]
    assert RecordTypeRule(names={}) in [column.rule for column in both.columns]
    partly = Orgs([typed(*TYPES)], [typed(TYPES[0])])
    drawn = partly.plan("  - object: Account\n")
    assert "RecordTypeId" not in [column.target for column in drawn.plan.steps[0].columns]
    assert "record_type_missing" in {issue.code for issue in drawn.issues}
    mapped = partly.plan("  - object: Account\n    record_types: {Small: Big}\n")
    assert "record_type_missing" not in {issue.code for issue in mapped.issues}
    assert partly.codes("  - object: Account\n    record_types: {Small: Huge}\n") == {"record_type_unknown"}


def test_mapped_picklist_values_close_the_gap() -> None:
    """Hard case 13."""
    orgs = Orgs(
        [thing("A", text("Name"), picklist("F", "a", "b"))], [thing("A", text("Name"), picklist("F", "x", "b"))]
    )
    assert {issue.code for issue in orgs.plan("  - object: A\n").issues} == {"picklist_gap"}
    assert orgs.plan("  - object: A\n    picklists: {F: {a: x}}\n").issues == ()
    assert orgs.plan("  - object: A\n    picklists: {F: {'*': x, b: b}}\n").issues == ()
    assert orgs.codes("  - object: A\n    picklists: {F: {a: y}}\n") == {"picklist_value_unknown"}
    assert orgs.codes("  - object: A\n    picklists: {G: {a: y}}\n") == {"picklist_not_copied"}


def test_deletions_are_carried_last_and_children_first() -> None:
    """Hard cases 44 and 45."""
    steps = "  - {object: Account, deletes: {action: delete, ceiling: 5}}\n  - {object: Contact, deletes: {action: delete}}\n"
    plan = CRM.plan(steps).plan
    removals = [(step.target, step.ceiling) for step in plan.steps if step.kind is StepKind.DELETE]
    assert removals == [("Contact", 100), ("Account", 5)]
    assert plan.steps[-1].kind is StepKind.DELETE


def test_a_flag_is_lowered_again_for_a_record_that_comes_back() -> None:
    orgs = same(thing("A", text("Name"), text("Gone__c", 0, type="boolean")))
    load, removal = orgs.plan(
        "  - {object: A, fields: {Name: Name}, deletes: {action: flag, field: Gone__c}}\n"
    ).plan.steps
    assert (load.columns[-1].target, load.columns[-1].constant, removal.flag) == ("Gone__c", "false", "Gone__c")
    assert orgs.codes("  - {object: A, deletes: {action: flag, field: Name}}\n") == {"flag_unusable"}
