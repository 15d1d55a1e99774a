"""Hard cases 1 to 15: every value arrives as it is, by REST and by Bulk alike, or the plan says why not."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.salesforce.routes import ROUTES
from tests.support.engine import BULK, REST, Engine

BOTH = pytest.mark.parametrize("rows_min", [REST, BULK], ids=["REST", "Bulk"])
ACCOUNTS = "version: 1\nname: a\nsteps: [{object: Account}]\n"
ODD = "version: 1\nname: o\nsteps: [{object: Odd__c, fields: {%s}}]\n"


def fields(pairs: str, name: str = "Account") -> str:
    return f"version: 1\nname: f\nsteps: [{{object: {name}, fields: {{{pairs}}}}}]\n"


async def copied(engine: Engine, rows: list[dict[str, Any]], rows_min: int, name: str = "Account") -> None:
    """Copy these rows and compare every field by a program that knows nothing of isthmus."""
    engine.source.add_rows(name, rows)
    ran = await engine.copy(f"version: 1\nname: v\nsteps: [{{object: {name}}}]\n", rows_min)
    assert ran.ok, (ran.run.end, ran.failures)
    engine.pair.assert_equal(name)
    found = {row["Name"]: row for row in engine.target.rows(name)}
    for row in rows:
        assert {key: found[row["Name"]][key] for key in row} == row


@BOTH
async def test_case_01_null_is_sent_as_null_and_the_text_that_means_null_in_a_file_stays_a_text(
    engine: Engine, rows_min: int
) -> None:
    rows = [{"Name": f"N {n}", "Site": "#N/A" if n == 3 else None, "Fax": "1"} for n in range(6)]
    ids = engine.source.add_rows("Account", rows)
    text = fields("Name: Name, Site: Site")
    assert (await engine.copy(text, rows_min)).ok
    for row_id, row in engine.pair.target_by_source("Account").items():
        engine.target.control("PATCH", f"/rows/Account/{row['Id']}", {"Site": f"old {row_id}", "Fax": "own"})
    engine.target.control("DELETE", "/transcript")
    assert (await engine.copy(text, rows_min)).ok
    found = engine.pair.target_by_source("Account")
    assert [found[row_id]["Site"] for row_id in ids] == [None, None, None, "#N/A", None, None]
    assert {row["Fax"] for row in found.values()} == {"own"}, "what the sync does not name is left alone"
    by_rest = [call for call in engine.target.transcript() if "/composite/sobjects" in call["path"]]
    assert len(by_rest) == 1, "under Bulk the one row that no file can carry"


@BOTH
async def test_case_02_there_is_no_empty_text_only_null(engine: Engine, rows_min: int) -> None:
    engine.source.add_rows("Account", [{"Name": "A", "Site": "x"}])
    assert (await engine.copy(fields("Name: Name, Site: Site"), rows_min)).ok
    assert (await engine.copy(fields('Name: Name, Site: "="'), rows_min)).ok
    assert [row["Site"] for row in engine.target.rows("Account")] == [None]


@BOTH
async def test_case_03_no_character_is_lost_or_changed(engine: Engine, rows_min: int) -> None:
    texts = [
        'quote " and "" and """',
        "comma, semicolon; tab\tend",
        "LF\nCRLF\r\nCR\rend",
        "separators \u2028 \u2029 \x85 \x0b \x0c end",
        "\ufeffBOM first and inside \ufeff",
        "Zażółć 𝄞 漢字 e\u0301",
        "'apostrophe' \\ backslash \\n %20 &amp;",
        "NUL \x00 inside",
        '"',
        ",",
        "non-\u00a0breaking",
    ]
    await copied(engine, [{"Name": f"N {n}", "Description": text} for n, text in enumerate(texts)], rows_min)


@BOTH
async def test_case_03_blanks_around_a_text_pass_the_transport(engine: Engine, rows_min: int) -> None:
    """What the platform itself trims on save is its own business: both paths leave the same in the target."""
    engine.source.add_rows("Account", [{"Name": "A", "Description": "  two before, three after   "}])
    assert (await engine.copy(ACCOUNTS, rows_min)).ok
    assert engine.target.rows("Account")[0]["Description"] == engine.source.rows("Account")[0]["Description"].strip()


@BOTH
async def test_case_04_dates_times_and_instants_keep_their_value_to_the_millisecond(
    engine: Engine, rows_min: int
) -> None:
    for name, kind in (("D", "Date"), ("T", "Time"), ("I", "DateTime")):
        engine.fields(f"Account.{name}__c", kind)
    rows = [
        {"Name": "leap", "D__c": "2024-02-29", "T__c": "23:59:59.999Z", "I__c": "2024-02-29T23:59:59.000+0000"},
        {"Name": "old", "D__c": "1700-01-01", "T__c": "00:00:00.000Z", "I__c": "1969-12-31T23:59:59.000+0000"},
        {"Name": "none", "D__c": None, "T__c": None, "I__c": None},
        {"Name": "late", "D__c": "4000-12-31", "T__c": "12:00:00.001Z", "I__c": "2038-01-19T03:14:08.000+0000"},
    ]
    await copied(engine, rows, rows_min)


@BOTH
async def test_case_05_numbers_keep_every_digit_and_booleans_both_values(engine: Engine, rows_min: int) -> None:
    engine.fields("Account.Fine__c", "Number", precision=18, scale=15)
    engine.fields("Account.Large__c", "Number", precision=18, scale=0)
    engine.fields("Account.Yes__c", "Checkbox")
    fine = [0.1, 123.456789012345, -0.000000000000001, 0, 999.999999999999, None]
    large = [999_999_999_999_999, -1, 0, 10**14, 1_000_000_000, None]
    rows = [
        {"Name": f"N {n}", "Fine__c": a, "Large__c": b, "Yes__c": n % 2 == 0, "NumberOfEmployees": n}
        for n, (a, b) in enumerate(zip(fine, large, strict=True))
    ]
    await copied(engine, rows, rows_min)


@BOTH
async def test_case_06_several_values_of_a_picklist_stay_several(engine: Engine, rows_min: int) -> None:
    values = [{"fullName": name, "label": name} for name in ("Red", "Green", "Blue, dark")]
    engine.fields("Account.Many__c", "MultiselectPicklist", valueSet={"valueSetDefinition": {"value": values}})
    rows = [
        {"Name": "A", "Many__c": "Red;Blue, dark"},
        {"Name": "B", "Many__c": "Green"},
        {"Name": "C", "Many__c": None},
    ]
    await copied(engine, rows, rows_min)


@BOTH
async def test_case_07_a_text_that_is_too_long_for_a_file_goes_by_rest(engine: Engine, rows_min: int) -> None:
    engine.fields("Account.Long__c", "LongTextArea", length=131_072)
    texts = ["x" * 32_000, "y" * 32_001, "z" * 131_072, 'q"\n\t' * 20_000 + '"', "ä" * 31_999, None]
    await copied(engine, [{"Name": f"N {n}", "Long__c": text} for n, text in enumerate(texts)], rows_min)


@BOTH
async def test_case_08_parts_of_an_address_travel_and_the_compound_itself_never(engine: Engine, rows_min: int) -> None:
    row = {"BillingStreet": "1 Main St\nFloor 2", "BillingCity": "Łódź", "BillingLatitude": 51.759248, "Name": "A"}
    await copied(engine, [row], rows_min)
    ran = await engine.copy(ACCOUNTS, rows_min)
    selected = {column.source for column in ran.plan.steps[0].columns}
    assert {"BillingStreet", "BillingCity"} <= selected
    assert not {"BillingAddress", "ShippingAddress"} & selected
    refused = await engine.codes(fields("Name: Name, Description: BillingAddress"))
    assert refused["type_not_carried"] == "error"


async def test_case_09_files_are_left_out_and_refused_by_name(engine: Engine) -> None:
    """By design: a file is not a field. Nothing else of the record is lost, and the plan says so."""
    drawn = await engine.drawn(ODD % "Shown__c: Shown__c, File__c: File__c")
    issue = next(each for each in drawn.issues if each.code == "type_not_carried")
    assert (issue.severity.value, "base64" in issue.text) == ("error", True)
    assert "File__c" not in await carried(engine)


async def carried(engine: Engine) -> set[str]:
    """Return the target fields of Odd__c that `fields: auto` fills."""
    standing = await engine.standing("version: 1\nname: o\nsteps: [{object: Odd__c}]\n")
    return {column.target for column in standing.plan.steps[0].columns}


async def test_case_10_only_what_may_be_created_and_updated_is_written(engine: Engine) -> None:
    assert await carried(engine) == {"Name", "Shown__c", "Rich__c"}
    for name in ("Sum__c", "Number__c", "Never__c"):
        issues = (await engine.drawn(ODD % f"Shown__c: Shown__c, {name}: Name")).issues
        assert [each.code for each in issues if each.severity.value == "error"] == ["read_only"], name
    engine.source.add_rows("Odd__c", [{"Name": "A", "Sum__c": 12.5, "Number__c": "7"}])
    ran = await engine.copy(ODD % "Name: Name, Shown__c: Number__c")
    assert ran.ok
    assert engine.target.rows("Odd__c")[0]["Shown__c"] == "7", "what is read-only in the source can still be read"


async def test_case_10_a_field_that_the_user_may_not_edit_is_not_written(engine: Engine) -> None:
    engine.field(engine.source, "Account.Hidden__c", "Text", length=20)
    order = {
        "FullName": "Account.Hidden__c",
        "Metadata": {"label": "H", "type": "Text", "length": 20},
        "granted": False,
    }
    engine.target.control("POST", "/fields", order)
    assert (await engine.codes(fields("Name: Name, Hidden__c: Hidden__c")))["target_field_missing"] == "error"
    assert (await engine.copy(ACCOUNTS)).ok


async def test_case_11_masked_and_encrypted_fields_are_left_out_and_no_key(engine: Engine) -> None:
    assert not {"Secret__c", "Shield__c"} & await carried(engine)
    for name in ("Secret__c", "Shield__c"):
        assert (await engine.codes(ODD % f"Shown__c: {name}"))["type_not_carried"] == "error", name
    text = "version: 1\nname: o\nsteps: [{object: Odd__c, match: Shield__c, fields: {Name: Name, Shield__c: Name}}]\n"
    assert (await engine.codes(text))["match_field_unusable"] == "error"


@BOTH
async def test_case_12_images_in_rich_text_are_named_because_they_stay_in_the_source(
    engine: Engine, rows_min: int
) -> None:
    image = '<p>See <img src="https://acme.file.force.com/servlet/rtaImage?eid=1&amp;refid=2"></img></p>'
    await copied(engine, [{"Name": "A", "Rich__c": image}], rows_min, "Odd__c")
    drawn = await engine.drawn("version: 1\nname: o\nsteps: [{object: Odd__c}]\n")
    issues = [each for each in drawn.issues if each.code == "rich_text_images"]
    assert [(each.severity.value, "Rich__c" in each.text) for each in issues] == [("hint", True)]


@BOTH
async def test_case_13_a_value_that_a_restricted_picklist_lacks_is_told_before_and_counted_after(
    engine: Engine, rows_min: int
) -> None:
    for org, names in ((engine.source, ("One", "Two", "Three")), (engine.target, ("One", "Two"))):
        values = [{"fullName": name, "label": name} for name in names]
        value_set = {"restricted": True, "valueSetDefinition": {"value": values}}
        engine.field(org, "Account.Kind__c", "Picklist", valueSet=value_set)
    engine.source.add_rows("Account", [{"Name": name, "Kind__c": name} for name in ("One", "Two", "Three")])
    text = fields("Name: Name, Kind__c: Kind__c")
    assert (await engine.codes(text))["picklist_gap"] == "warning"
    ran = await engine.copy(text, rows_min)
    assert ran.failures == {"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": 1}
    assert ran.told[0].field == "Kind__c"
    mapped = text.replace("}}", "}, picklists: {Kind__c: {Three: Two}}}")
    assert (await engine.copy(mapped, rows_min)).ok


@BOTH
async def test_case_14_a_currency_that_the_target_does_not_use_is_counted_and_amounts_are_never_converted(
    engine: Engine, rows_min: int
) -> None:
    for org in (engine.source, engine.target):
        org.control("POST", "/settings", {"multi_currency": True})
    currencies = engine.target.rows("CurrencyType")
    known = {row["IsoCode"] for row in currencies} - {"JPY"}
    rule = {"kind": "picklist", "object": "Account", "field": "CurrencyIsoCode", "values": sorted(known)}
    engine.target.control("POST", "/rules", rule)
    rows = [{"Name": code, "AnnualRevenue": 100, "CurrencyIsoCode": code} for code in [*sorted(known), "JPY"]]
    engine.source.add_rows("Account", rows)
    ran = await engine.copy(ACCOUNTS, rows_min)
    assert sum(ran.failures.values()) == 1, ran.failures
    assert ran.told[0].field == "CurrencyIsoCode"
    amounts = {row["CurrencyIsoCode"]: row["AnnualRevenue"] for row in engine.target.rows("Account")}
    assert amounts == dict.fromkeys(known, 100)
    assert not any("convertCurrency" in str(call) for call in engine.source.transcript())


@BOTH
async def test_case_15_a_text_that_is_longer_than_the_field_is_warned_of_counted_and_never_cut(
    engine: Engine, rows_min: int
) -> None:
    engine.field(engine.source, "Account.Code__c", "Text", length=20)
    engine.field(engine.target, "Account.Code__c", "Text", length=10)
    engine.source.add_rows("Account", [{"Name": "short", "Code__c": "x" * 10}, {"Name": "long", "Code__c": "x" * 11}])
    text = fields("Name: Name, Code__c: Code__c")
    assert (await engine.codes(text))["may_be_too_long"] == "warning"
    ran = await engine.copy(text, rows_min)
    assert (ran.failures, ran.told[0].field) == ({"STRING_TOO_LONG": 1}, "Code__c")
    assert [row["Name"] for row in engine.target.rows("Account")] == ["short"]


def test_case_14_no_route_can_ask_for_converted_amounts() -> None:
    assert not [route for route in ROUTES.values() if "convert" in route.path.lower()]
