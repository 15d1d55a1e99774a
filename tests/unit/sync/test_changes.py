"""What applying a definition would change; and that an exported definition changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.sync.model import Drawn
from isthmus.sync.plan import draw_plan, schema_of
from isthmus.sync.planning.changes import Change, ChangeKind, changes, spec_changes
from isthmus.sync.spec import SyncSpec, parse_spec, spec_text
from tests.unit.sync.test_plan import KEY, Orgs, lookup, picklist, same, text, thing, typed

ORGS = same(
    msgspec.structs.replace(
        typed(),
        fields=(
            *typed().fields,
            text("Phone"),
            text("Gone__c", 0, type="boolean"),
            lookup("ParentId", "Account"),
        ),
    ),
    thing("Contact", text("LastName"), text("Email", type="email"), lookup("AccountId", "Account")),
)
HEAD = "version: 1\nname: x\nsteps:\n"


def shown(before: str, after: str, orgs: Orgs = ORGS) -> list[tuple[str, str, str | None, str | None]]:
    found = changes(orgs.plan(before).plan, orgs.plan(after).plan)
    return [(change.kind.value, change.place, change.before, change.after) for change in found]


def test_a_sync_that_is_not_active_is_added_step_by_step() -> None:
    found = changes(None, ORGS.plan("  - object: Contact\n").plan)
    assert found[0] == Change(kind=ChangeKind.ADDED, place="Contact", after="2 fields")


def test_fields_filters_and_deletes_are_named_with_before_and_after() -> None:
    before = "  - {object: Account, fields: {Name: Name, Phone: Phone}, where: Rating = 'Hot'}\n"
    after = (
        "  - {object: Account, fields: {Name: =x, Rating: Rating}, where: Rating = 'Cold',"
        " deletes: {action: flag, field: Gone__c}}\n"
    )
    assert shown(before, after) == [
        ("changed", "Account.where", "Rating = 'Hot'", "Rating = 'Cold'"),
        ("changed", "Account.fields.Name", "Name", "=x"),
        ("removed", "Account.fields.Phone", "Phone", None),
        ("added", "Account.fields.Rating", None, "Rating"),
        ("added", "Account.fields.Gone__c", None, "=false"),
        ("added", "Account: deletions", None, "0 fields, where Rating = 'Cold'"),
    ]


def test_rules_keys_budgets_and_steps_are_compared_too() -> None:
    step = "  - {object: Account, fields: {Name: Name}"
    assert shown(step + "}\n", step + ", owner: {match: email}}\n")[0][:2] == ("added", "Account.fields.OwnerId")
    places = {change[1] for change in shown(step + "}\n", step + "}\nbudget: {day_percent: 50}\n")}
    assert places == {"budget"}
    assert shown(step + "}\n  - {object: Contact, fields: {LastName: LastName}}\n", step + "}\n") == [
        ("removed", "Contact", None, None)
    ]


def test_a_tracking_field_that_is_still_to_be_made_is_named() -> None:
    orgs = Orgs(ORGS.source, [thing("Account", text("Name"), key=False)])
    step = "  - {object: Account, fields: {Name: Name}}\n"
    assert shown(step, step, orgs) == [("added", "Account: tracking field", None, KEY)]


def test_the_schedule_is_compared_by_the_definition() -> None:
    before, after = (parse_spec(f"{HEAD}  - object: Account\ninterval_s: {pause}\n") for pause in (60, 120))
    assert [(change.place, change.before, change.after) for change in spec_changes(before, after)] == [
        ("interval_s", "60", "120")
    ]
    assert spec_changes(None, after) == spec_changes(after, after) == ()


FIELDS = st.dictionaries(
    st.sampled_from(["Name", "Phone", "Rating", "ParentId"]),
    st.sampled_from(["Name", "Phone", "=const: 1", "={x} # y", "='it''s'"]),
    max_size=3,
)
CONTACT: dict[str, Any] = {"object": "Contact"}


@st.composite
def specs(draw: st.DrawFn) -> SyncSpec:
    """Definitions of one or two steps with whatever keys they may have; not all of them fit the orgs."""
    account: dict[str, Any] = {"object": "Account", "fields": draw(st.one_of(st.just("auto"), FIELDS.filter(bool)))}
    optional: dict[str, st.SearchStrategy[Any]] = {
        "where": st.sampled_from(["Name LIKE 'a%'", "Rating = 'Hot' AND Phone != null", "Name = 'quote: \\'#'"]),
        "owner": st.sampled_from([{"match": "email"}, {"user": "me@acme.com"}]),
        "picklists": st.sampled_from([{"Rating": {"Hot": "Hot", "*": "Hot"}}, {"Rating": {"yes": "no"}}]),
        "record_types": st.sampled_from(["same", "ignore", {"Big": "Small"}]),
        "deletes": st.sampled_from([{"action": "delete"}, {"action": "flag", "field": "Gone__c", "ceiling": 7}]),
        "match": st.just(KEY),
    }
    for name, values in optional.items():
        if draw(st.booleans()):
            account[name] = draw(values)
    tree: dict[str, Any] = {
        "version": 1,
        "name": draw(st.sampled_from(["x", "yes", "1: 2", "# no comment", "Zoë"])),
        "steps": [account, *([CONTACT] if draw(st.booleans()) else [])],
    }
    if draw(st.booleans()):
        tree["interval_s"] = draw(st.integers(60, 604800))
    return msgspec.convert(tree, SyncSpec)


@settings(deadline=None)
@given(specs())
def test_an_exported_definition_says_the_same_and_changes_nothing(spec: SyncSpec) -> None:
    exported = parse_spec(spec_text(spec))
    assert exported == spec
    assert spec_changes(spec, exported) == ()
    schemas = schema_of(ORGS.source), schema_of(ORGS.target)
    before, after = draw_plan(spec, *schemas), draw_plan(exported, *schemas)
    assert before == after
    if isinstance(before, Drawn) and isinstance(after, Drawn):
        assert changes(before.plan, after.plan) == ()


@settings(deadline=None)
@given(specs(), specs())
def test_different_plans_are_never_called_the_same(one: SyncSpec, other: SyncSpec) -> None:
    schemas = schema_of(ORGS.source), schema_of(ORGS.target)
    before, after = draw_plan(one, *schemas), draw_plan(other, *schemas)
    if isinstance(before, Drawn) and isinstance(after, Drawn):
        assert bool(changes(before.plan, after.plan)) == (before.plan != after.plan)


def test_values_that_picklists_hold_are_compared() -> None:
    orgs = same(thing("A", text("Name"), picklist("F", "a", "b")))
    step = "  - {object: A, picklists: {F: {a: %s}}}\n"
    assert [change[1] for change in shown(step % "a", step % "b", orgs)] == ["A.fields.F"]
