"""What a plan knows about a mapping beforehand, and which fields it suggests: each with place, reason and remedy."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.salesforce.schema import FieldDescribe
from isthmus.sync.model import Severity
from isthmus.sync.plan import schema_of
from isthmus.sync.planning.suggestions import SCORE_MIN, Suggestion, suggest, words
from isthmus.sync.spec import SpecRefused, parse_spec, spec_text
from tests.unit.sync.test_plan import Orgs, lookup, picklist, text, thing

AMOUNT = text("Amount", 0, type="currency", precision=18, scale=2)
CURRENCY = picklist("CurrencyIsoCode", "EUR", "USD")


def codes(
    source: list[FieldDescribe], target: list[FieldDescribe], steps: str = "  - object: Account\n"
) -> dict[str, Severity]:
    orgs = Orgs([thing("Account", text("Name"), *source)], [thing("Account", text("Name"), *target)])
    issues = orgs.draw(steps).issues
    assert all(issue.where and issue.text and issue.remedy for issue in issues)
    return {issue.code: issue.severity for issue in issues}


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ([AMOUNT, CURRENCY], [AMOUNT], {"currency_lost": Severity.WARNING}),
        ([AMOUNT], [AMOUNT, CURRENCY], {"currency_default": Severity.WARNING}),
        ([AMOUNT, CURRENCY], [AMOUNT, CURRENCY], {}),
        ([AMOUNT, CURRENCY], [AMOUNT, picklist("CurrencyIsoCode", "EUR")], {"picklist_gap": Severity.WARNING}),
        ([text("F")], [text("F", unique=True)], {"target_unique": Severity.WARNING}),
        ([text("F", unique=True)], [text("F", unique=True)], {"target_unique": Severity.HINT}),
        (
            [text("F", html_formatted=True, type="textarea")],
            [text("F", type="textarea")],
            {"rich_text_to_plain": Severity.WARNING},
        ),
        (
            [text("F", type="textarea")],
            [text("F", html_formatted=True, type="textarea")],
            {"plain_to_rich_text": Severity.HINT},
        ),
        ([text("F", type="datetime")], [text("F", 80)], {"time_as_text": Severity.HINT}),
        (
            [text("BillingCountry")],
            [text("BillingCountry"), picklist("BillingCountryCode", "DE")],
            {"address_picklists": Severity.WARNING},
        ),
        (
            [text("BillingCountry"), picklist("BillingCountryCode", "DE")],
            [text("BillingCountry"), picklist("BillingCountryCode", "DE")],
            {},
        ),
        (
            [text("IsPersonAccount", 0, type="boolean", createable=False)],
            [],
            {"person_accounts": Severity.WARNING},
        ),
        ([text("F", type="encryptedstring")], [text("F")], {"encrypted_left_out": Severity.HINT}),
        ([text("F", encrypted=True)], [text("F")], {"encrypted_left_out": Severity.HINT}),
        ([text("F", type="base64")], [text("F", type="base64")], {"files_left_out": Severity.HINT}),
        (
            [text("F__c")],
            [text("F__c", custom=True, permissionable=True, createable=False, updateable=False)],
            {"no_edit_right": Severity.HINT},
        ),
        (
            [picklist("F", "a")],
            [text("F", type="picklist", dependent_picklist=True, picklist_values=("a",))],
            {"picklist_dependent": Severity.HINT},
        ),
        ([text("BillingAddress", 0, type="address")], [text("BillingAddress", 0, type="address")], {}),
    ],
)
def test_each_rule_names_its_place_its_reason_and_a_remedy(
    source: list[FieldDescribe], target: list[FieldDescribe], expected: dict[str, Severity]
) -> None:
    """Hard cases 5-15 as far as describes tell them; hard case 8: compounds travel by their parts."""
    assert codes(source, target) == expected


def test_a_compound_is_refused_with_the_names_of_its_parts() -> None:
    """Hard case 8."""
    parts = [text(f"Billing{part}", compound="BillingAddress") for part in ("Street", "City")]
    whole = text("BillingAddress", 0, type="address", createable=False, updateable=False)
    steps = "  - object: Account\n    fields: {Name: Name, BillingAddress: BillingAddress}\n"
    orgs = Orgs([thing("Account", text("Name"), whole, *parts)], [thing("Account", text("Name"), whole, *parts)])
    (issue,) = orgs.draw(steps).issues
    assert (issue.code, issue.severity) == ("compound_field", Severity.ERROR)
    assert "BillingStreet, BillingCity" in issue.remedy


def test_currencies_that_nobody_mapped_are_named() -> None:
    """Hard case 14."""
    steps = "  - object: Account\n    fields: {Name: Name, Amount: Amount}\n"
    assert codes([AMOUNT, CURRENCY], [AMOUNT, CURRENCY], steps) == {"currency_not_mapped": Severity.WARNING}


def test_a_filter_on_person_accounts_answers_the_warning() -> None:
    """Hard case: person accounts take no Name."""
    person = text("IsPersonAccount", 0, type="boolean", createable=False)
    steps = "  - object: Account\n    where: IsPersonAccount = false\n"
    assert codes([person], [], steps) == {}


def suggested(source: list[FieldDescribe], target: list[FieldDescribe]) -> dict[str, list[Suggestion]]:
    spec = parse_spec("version: 1\nname: x\nsteps: [{object: Account}]\n")
    found: dict[str, list[Suggestion]] = {}
    for each in suggest(spec, schema_of([thing("Account", *source)]), schema_of([thing("Account", *target)])):
        found.setdefault(each.target, []).append(each)
    return found


def test_left_over_fields_are_suggested_by_name_label_type_and_synonym() -> None:
    source = [
        text("acme__Due_Date__c", label="Due date", type="date"),
        text("ZipCode__c", label="Zip"),
        picklist("Tier__c", "A", "B"),
        lookup("Customer__c", "Account", label="Customer"),
        text("Turnover__c", 0, type="currency", label="Turnover"),
        text("Wholly_Other__c", label="Wholly other"),
    ]
    target = [
        text("DueDate__c", label="Due Date", type="date"),
        text("PostalCode__c", label="Postal code"),
        picklist("Segment__c", "A", "B", "C"),
        lookup("Client__c", "Account", label="Client"),
        text("Revenue__c", 0, type="currency", label="Revenue"),
        text("Unlike__c", label="Unlike"),
    ]
    found = suggested(source, target)
    best = {name: each[0].source for name, each in found.items()}
    assert best == {
        "DueDate__c": "acme__Due_Date__c",
        "PostalCode__c": "ZipCode__c",
        "Segment__c": "Tier__c",
        "Client__c": "Customer__c",
        "Revenue__c": "Turnover__c",
    }
    assert found["DueDate__c"][0].score == 90
    assert "name is the same" in found["DueDate__c"][0].yaml
    assert "2 common values" in found["Segment__c"][0].reasons
    assert "both point at Account" in found["Client__c"][0].reasons


def test_nothing_is_suggested_that_could_not_be_mapped() -> None:
    """Types that do not fit, formulas, fields without the right, and what is filled already."""
    source = [text("Score__c"), text("Score2__c", type="boolean"), text("Name")]
    closed = {"createable": False, "updateable": False}
    target = [text("Score_Value__c", 0, type="double"), text("Score_Text__c", calculated=True, **closed), text("Name")]
    assert suggested(source, target) == {}


def test_suggestions_are_never_applied_by_themselves() -> None:
    orgs = Orgs(
        [thing("Account", text("Name"), text("Region__c"))], [thing("Account", text("Name"), text("Territory__c"))]
    )
    assert [column.target for column in orgs.plan("  - object: Account\n").plan.steps[0].columns] == ["Name"]
    pasted = "  - object: Account\n    also: {Territory__c: Region__c}\n"
    assert [c.target for c in orgs.plan(pasted).plan.steps[0].columns] == ["Name", "Territory__c"]


def test_also_overrides_what_auto_would_fill_and_needs_auto() -> None:
    orgs = Orgs([thing("Account", text("Name"), text("Alias__c"))], [thing("Account", text("Name"))])
    step = orgs.plan("  - object: Account\n    also: {Name: Alias__c}\n").plan.steps[0]
    assert [(column.target, column.source) for column in step.columns] == [("Name", "Alias__c")]
    with pytest.raises(SpecRefused, match=r"line 3, steps\[0\]\.also: `also` adds to `fields: auto`"):
        parse_spec("version: 1\nname: x\nsteps: [{object: Account, fields: {Name: Name}, also: {A: B}}]\n")
    spec = parse_spec("version: 1\nname: x\nsteps: [{object: Account, also: {Name: Alias__c}}]\n")
    assert parse_spec(spec_text(spec)) == spec


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("acme__DueDate__c", ("due", "date")),
        ("Due_Date__c", ("due", "date")),
        ("SLAExpiration__c", ("sla", "expiration")),
        ("AccountId", ("account", "id")),
        ("Number 2", ("number", "2")),
    ],
)
def test_names_are_read_as_words(name: str, expected: tuple[str, ...]) -> None:
    assert words(name) == expected


names = st.from_regex(r"[A-Z][a-z]{1,8}(_[A-Z][a-z]{1,8}){0,2}__c", fullmatch=True)


@settings(deadline=None)
@given(st.lists(names, unique=True, max_size=6), st.lists(names, unique=True, max_size=6))
def test_scores_are_bounded_explained_and_ranked(theirs: list[str], ours: list[str]) -> None:
    for found in suggested([text(name) for name in theirs], [text(name) for name in ours]).values():
        assert len(found) <= 3
        assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
        assert all(SCORE_MIN - 1 < each.score <= 100 and each.reasons for each in found)
