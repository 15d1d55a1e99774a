"""Expressions and masks in a plan: what fits becomes a column, what does not is named by place, reason and remedy."""

from __future__ import annotations

import pytest

from isthmus.sync.flow.expressions.values import Type
from isthmus.sync.model import ColumnKind, Drawn, Input, LookupRule, MaskKind, Severity, StepKind, ValueType
from isthmus.sync.planning.changes import column_text
from tests.unit.sync.test_plan import KEY, Orgs, lookup, same, text, thing

ACCOUNT = thing("Account", text("Name"), text("Code__c", external_id=True, unique=True), text("Plain__c"))
CONTACT = thing(
    "Contact",
    text("LastName"),
    text("FirstName"),
    text("Email", type="email"),
    text("Short__c", 10, type="email"),
    text("Level__c", type="picklist", restricted_picklist=True, picklist_values=("a",)),
    text("Amount__c", 0, type="double", precision=18, scale=2),
    text("Birthdate", 0, type="date"),
    text("Seen__c", 0, type="datetime"),
    text("Active__c", 0, type="boolean"),
    text("Photo__c", 0, type="base64"),
    text("Number__c", auto_number=True, createable=False, updateable=False),
    text("Badge__c", nillable=True),
    lookup("AccountId", "Account"),
    lookup("ReportsToId", "Contact"),
    lookup("Region__c", "Region__c"),
    lookup("WhatId", "Account", "Contact"),
    lookup("OwnerId", "User"),
)
CRM = same(ACCOUNT, CONTACT)


def steps(fields: str, mask: str = "", more: str = "") -> str:
    masks = f"    mask: {{{mask}}}\n" if mask else ""
    return f"  - object: Contact\n    fields: {{{fields}}}\n{masks}{more}"


WITH_ACCOUNT = "  - object: Account\n    fields: {Name: Name}\n"


def issue(orgs: Orgs, yaml: str, code: str) -> tuple[Severity, str, str]:
    found = orgs.draw(yaml)
    return next((i.severity, i.where, f"{i.text} | {i.remedy}") for i in found.issues if i.code == code)


def test_an_expression_becomes_a_column_with_typed_inputs() -> None:
    step = CRM.plan(steps("LastName: {expr: 'upper(lastname) & account.name'}, Amount__c: {expr: '1 + 1'}")).plan.steps[
        0
    ]
    name, amount = step.columns
    assert (name.kind, name.type, amount.type) == (ColumnKind.TRANSFORM, ValueType.TEXT, ValueType.NUMBER)
    assert name.transform is not None
    assert name.transform.inputs == (Input(path="LastName", type=Type.TEXT), Input(path="Account.name", type=Type.TEXT))
    assert amount.reads == ()


@pytest.mark.parametrize(
    ("fields", "code", "place", "says"),
    [
        (
            "LastName: {expr: 'uper(LastName)'}",
            "expression_refused",
            "LastName",
            "at character 1: there is no function",
        ),
        ("LastName: {expr: 'LastNam'}", "expression_refused", "LastName", "Contact has no field LastNam in the source"),
        ("LastName: {expr: 'Acount.Name'}", "expression_refused", "LastName", "no relationship Acount"),
        ("LastName: {expr: 'Photo__c'}", "expression_refused", "LastName", "type base64, which is not carried"),
        (
            "LastName: {expr: 'Amount__c'}",
            "expression_type",
            "LastName",
            "gives a number | Make a text of it: `text(…)`",
        ),
        ("Amount__c: {expr: 'LastName'}", "expression_type", "Amount__c", "`number(…)`"),
        ("Birthdate: {expr: 'Seen__c'}", "expression_type", "Birthdate", '`date(…, "Europe/Berlin")`'),
        ("Active__c: {expr: '1'}", "expression_type", "Active__c", "is a boolean in the target"),
        ("Number__c: {expr: '1'}", "read_only", "Number__c", "numbered by the target itself"),
        ("Photo__c: {expr: '\"x\"'}", "type_not_carried", "Photo__c", "not carried"),
        ("OwnerId: {expr: 'LastName'}", "own_rule", "OwnerId", "`owner`"),
        ("Missing__c: {expr: '1'}", "target_field_missing", "Missing__c", "no field Missing__c in the target"),
        ("AccountId: {expr: 'LastName'}", "lookup_needs_by", "AccountId", "by: Code__c"),
        ("LastName: {expr: 'LastName', by: Code__c}", "by_without_lookup", "LastName", "is no lookup"),
        ("AccountId: {expr: '1', by: Code__c}", "expression_type", "AccountId", "looked up by a text"),
        ("WhatId: {expr: 'LastName', by: Code__c}", "polymorphic", "WhatId", "several kinds"),
        (f"{KEY}: {{expr: 'LastName'}}", "match_source_missing", "", "Map the match field from a field"),
    ],
)
def test_what_does_not_fit_is_named_by_field_and_remedy(fields: str, code: str, place: str, says: str) -> None:
    severity, where, what = issue(CRM, steps(fields), code)
    assert severity is Severity.ERROR
    assert where == (f"steps[0].fields.{place}" if place else "steps[0].match")
    assert says in what


def test_a_parent_is_found_by_its_own_key_and_its_step_comes_first() -> None:
    yaml = steps("LastName: LastName, AccountId: {expr: 'Account.Code__c', by: code__c}") + WITH_ACCOUNT
    plan = CRM.plan(yaml).plan
    assert [step.target for step in plan.steps] == ["Account", "Contact"]
    column = plan.steps[1].columns[1]
    assert (column.kind, column.headers, column.reads) == (
        ColumnKind.PARENT,
        ("Account.Code__c",),
        ("Account.Code__c",),
    )


def test_a_lookup_to_its_own_object_waits_for_the_second_pass() -> None:
    plan = CRM.plan(steps("LastName: LastName, ReportsToId: {expr: 'ReportsTo.Number__c', by: " + KEY + "}")).plan
    load, link = plan.steps
    assert (load.kind, link.kind, link.links) == (StepKind.LOAD, StepKind.LINK, ("ReportsToId",))
    assert [column.target for column in load.clears] == ["ReportsToId"]


def test_a_field_that_is_no_external_id_finds_no_parent() -> None:
    yaml = steps("AccountId: {expr: 'Account.Plain__c', by: Plain__c}") + WITH_ACCOUNT
    assert issue(CRM, yaml, "by_unusable")[0] is Severity.ERROR
    unchecked = issue(CRM, steps("AccountId: {expr: 'Account.Plain__c', by: Plain__c}"), "by_unchecked")
    assert unchecked[0] is Severity.WARNING


def test_a_value_of_the_target_is_looked_up_by_a_rule() -> None:
    yaml = steps("Badge__c: {expr: LastName, find: {object: Badge__c, by: Name, take: Code__c}}")
    column = CRM.plan(yaml).plan.steps[0].columns[0]
    assert (column.kind, column.rule) == (ColumnKind.MAP, LookupRule(object="Badge__c", by="Name", take="Code__c"))


def test_a_picklist_map_goes_over_what_an_expression_gives() -> None:
    yaml = steps("Level__c: {expr: 'lower(LastName)'}", more="    picklists: {Level__c: {x: a}}\n")
    column = CRM.plan(yaml).plan.steps[0].columns[0]
    assert column.kind is ColumnKind.MAP
    assert column.transform is not None


def test_a_mask_goes_over_a_copied_field_and_over_an_expression() -> None:
    yaml = steps(
        "Email: Email, LastName: {expr: 'upper(LastName)'}, FirstName: FirstName",
        "email: email, LastName: name, FirstName: 'null'",
    )
    columns = CRM.plan(yaml).plan.steps[0].columns
    masks = [column.transform.mask for column in columns if column.transform is not None]
    assert masks == [MaskKind.EMAIL, MaskKind.NAME, MaskKind.NULL]
    assert all(column.source is None for column in columns)


def test_a_change_of_an_expression_is_told_in_its_own_words() -> None:
    fields = "LastName: {expr: 'upper(LastName)'}, Email: Email, AccountId: {expr: 'Badge__c', by: Code__c}"
    columns = CRM.plan(steps(fields, "LastName: name, Email: email")).plan.steps[0].columns
    assert [column_text(column) for column in columns] == [
        "upper(LastName), masked as name",
        "Email, masked as email",
        "Badge__c as Account.Code__c",
    ]


def test_expressions_go_beside_fields_that_are_found_by_themselves() -> None:
    orgs = same(thing("Contact", *(field for field in CONTACT.fields if field.name in {"LastName", "FirstName"})))
    yaml = "  - object: Contact\n    also: {LastName: {expr: 'upper(LastName)'}}\n"
    assert {column.target: column.kind for column in orgs.plan(yaml).plan.steps[0].columns} == {
        "FirstName": ColumnKind.COPY,
        "LastName": ColumnKind.TRANSFORM,
    }
    assert issue(orgs, yaml.replace("upper", "uper"), "expression_refused")[1] == "steps[0].also.LastName"


def test_redacting_an_address_gives_an_address() -> None:
    column = CRM.plan(steps("Email: Email", "Email: redact")).plan.steps[0].columns[0]
    assert column.transform is not None
    assert column.transform.mask is MaskKind.REDACT_EMAIL


def test_masks_go_with_fields_that_are_found_by_themselves() -> None:
    orgs = same(
        thing("Contact", *(field for field in CONTACT.fields if field.name in {"LastName", "Email", "Short__c"}))
    )
    columns = orgs.plan("  - object: Contact\n    mask: {Email: email, Short__c: redact}\n").plan.steps[0].columns
    masked = {column.target for column in columns if column.kind is ColumnKind.TRANSFORM}
    assert {"Email", "Short__c"} <= masked
    assert not {"Email", "Short__c"} & {column.target for column in columns if column.kind is ColumnKind.COPY}


@pytest.mark.parametrize(
    ("fields", "mask", "code", "says"),
    [
        ("LastName: LastName", "LastNam: name", "mask_field_missing", "the value would leave unmasked"),
        ("LastName: LastName", "Amount__c: name", "mask_unused", "not carried"),
        (
            "Amount__c: Amount__c",
            "Amount__c: name",
            "mask_unfit",
            "has a number, which the mask `name` is not made for",
        ),
        ("LastName: LastName", "LastName: date", "mask_unfit", "has a text"),
        ("Level__c: Level__c", "Level__c: text", "mask_unfit", "restricted picklist"),
        ("Email: Email", "Email: text", "mask_unfit", "e-mail field"),
        ("Short__c: Short__c", "Short__c: email", "mask_unfit", "shorter than a masked address"),
        ("LastName: =x", "LastName: name", "mask_unfit", "constant"),
        ("Email: Email, Badge__c: Email", "Email: email", "mask_leaks", "Badge__c is filled from it without a mask"),
        (
            "Email: Email, Badge__c: {expr: 'part(Email, \"@\", 2)'}",
            "Email: email",
            "mask_may_leak",
            "needs a mask, too",
        ),
        (
            "Badge__c: Badge__c, AccountId: {expr: Badge__c, by: Code__c}",
            "Badge__c: text",
            "mask_leaks",
            "AccountId is",
        ),
        (f"{KEY}: Badge__c, Badge__c: Badge__c", "Badge__c: text", "mask_leaks", "leaves as the match field"),
        (f"{KEY}: Badge__c, LastName: LastName", f"{KEY}: text", "mask_on_match", "cannot be masked"),
    ],
)
def test_a_mask_that_would_not_hold_is_named(fields: str, mask: str, code: str, says: str) -> None:
    severity, where, what = issue(CRM, steps(fields, mask), code)
    assert says in what
    assert where.startswith("steps[0].mask")
    assert severity is (Severity.WARNING if code in {"mask_unused", "mask_may_leak"} else Severity.ERROR)


def test_a_plan_holds_no_key() -> None:
    drawn = CRM.draw(steps("Email: Email", "Email: email"))
    assert isinstance(drawn, Drawn)
    assert "key" not in {
        name for column in drawn.plan.steps[0].columns for name in type(column.transform).__struct_fields__
    }
