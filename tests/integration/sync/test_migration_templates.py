"""The templates for CPQ and Revenue Cloud carry their objects with their parents, in the order of the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from isthmus.sync.model import Severity
from orgsim.compare import compare
from tests.support.copying import Pair, sync_settings
from tests.support.orgsim import start_orgsim
from tests.support.two_schemas import _lookup as lookup
from tests.support.two_schemas import _object as custom_object

EXAMPLES = Path(__file__).parents[3] / "examples"
LOOKUPS: dict[str, dict[str, str]] = {
    "SBQQ__DiscountSchedule__c": {},
    "SBQQ__DiscountTier__c": {"SBQQ__Schedule__c": "SBQQ__DiscountSchedule__c"},
    "SBQQ__PriceRule__c": {},
    "SBQQ__PriceCondition__c": {"SBQQ__Rule__c": "SBQQ__PriceRule__c"},
    "SBQQ__PriceAction__c": {"SBQQ__Rule__c": "SBQQ__PriceRule__c"},
    "SBQQ__ProductFeature__c": {"SBQQ__ConfiguredSKU__c": "Product2"},
    "SBQQ__ProductOption__c": {
        "SBQQ__ConfiguredSKU__c": "Product2",
        "SBQQ__OptionalSKU__c": "Product2",
        "SBQQ__Feature__c": "SBQQ__ProductFeature__c",
    },
    "SBQQ__BlockPrice__c": {"SBQQ__Product__c": "Product2"},
    "SBQQ__Subscription__c": {"SBQQ__Contract__c": "Contract", "SBQQ__Product__c": "Product2"},
    "blng__Invoice__c": {"blng__Account__c": "Account", "blng__Order__c": "Order"},
    "blng__InvoiceLine__c": {"blng__Invoice__c": "blng__Invoice__c", "blng__Product__c": "Product2"},
    "blng__CreditNote__c": {"blng__Account__c": "Account"},
    "blng__CreditNoteLine__c": {"blng__CreditNote__c": "blng__CreditNote__c"},
}
STANDARD = ("Account", "Product2", "Pricebook2", "PricebookEntry", "Asset", "Contract", "Order", "OrderItem")
ROWS = 3


@contextmanager
def packaged_orgs(folder: Path) -> Iterator[Pair]:
    """Start two orgs with the packages' objects, and in the target the field that keeps a run's tag."""
    folder.joinpath("schema").mkdir()
    for number, (name, parents) in enumerate(LOOKUPS.items()):
        made = custom_object(name, f"a{number:02d}", *(lookup(field, parent) for field, parent in parents.items()))
        (folder / "schema" / f"{name}.describe.json").write_text(json.dumps(made))
    more = ("--load", str(folder / "schema"))
    with start_orgsim(name="from", more=more) as source, start_orgsim(name="to", seed=2, more=more) as target:
        tag = {"type": "Text", "label": "Run", "length": 40}
        for name in (*LOOKUPS, *STANDARD):
            target.control("POST", "/fields", {"FullName": f"{name}.Import_Run__c", "Metadata": tag, "granted": True})
        yield Pair(source, target, sync_settings(folder))


def fill(pair: Pair, *names: str, known: dict[str, list[str]]) -> None:
    """Add `ROWS` records of each custom object, each with its parents."""
    for name in names:
        rows: list[dict[str, Any]] = [
            {"Name": f"{name} {n}", **{field: known[parent][n] for field, parent in LOOKUPS[name].items()}}
            for n in range(ROWS)
        ]
        known[name] = pair.source.add_rows(name, rows)


def catalogue(pair: Pair) -> dict[str, list[str]]:
    """Add products with standard prices and prices of a book of their own; return ids by object."""
    source = pair.source
    products = source.add_rows(
        "Product2", [{"Name": f"Product {n}", "ProductCode": f"P-{n}", "IsActive": True} for n in range(ROWS)]
    )
    own = source.add_rows("Pricebook2", [{"Name": "Partners", "IsActive": True}])
    standard = next(row["Id"] for row in source.rows("Pricebook2") if row["IsStandard"])
    for book in (standard, *own):
        source.add_rows(
            "PricebookEntry",
            [{"Pricebook2Id": book, "Product2Id": each, "UnitPrice": 10.5, "IsActive": True} for each in products],
        )
    return {"Product2": products, "Pricebook2": own}


async def carried(pair: Pair, template: str) -> None:
    """Run the template, and once more for what came too early."""
    text = (EXAMPLES / template).read_text()
    for _ in range(2):
        result = await pair.copy(text)
        assert result.plan is not None, [issue for issue in result.issues if issue.severity is Severity.ERROR]
    assert (result.message, result.failures) == (None, ()), result.failures


def assert_arrived(pair: Pair, *names: str) -> None:
    for name in names:
        found = compare(pair.source.control_url, pair.target.control_url, name, LOOKUPS[name])
        assert (found.differing, found.missing, found.surplus) == ({}, 0, 0), name


async def test_a_cpq_catalogue_arrives_with_its_rules_options_and_prices(tmp_path: Path) -> None:
    with packaged_orgs(tmp_path) as pair:
        known = catalogue(pair)
        mine = tuple(name for name in LOOKUPS if name.startswith("SBQQ__") and name != "SBQQ__Subscription__c")
        fill(pair, *mine, known=known)
        kept = pair.target.add_rows("Product2", [{"Name": "Product 1", "ProductCode": "P-1", "IsActive": True}])
        await carried(pair, "migration-cpq.yaml")
        assert_arrived(pair, *mine)
        products = {row["ProductCode"]: row["Id"] for row in pair.target.rows("Product2")}
        assert len(products) == len(pair.target.rows("Product2")) == ROWS
        assert products["P-1"] == kept[0], "what was there is taken over"
        assert len(pair.target.rows("PricebookEntry")) == 2 * ROWS
        assert sum(row["IsStandard"] for row in pair.target.rows("Pricebook2")) == 1
        assert {row["Import_Run__c"] is not None for row in pair.target.rows("SBQQ__PriceRule__c")} == {True}


async def test_revenue_arrives_from_the_catalogue_to_credit_notes(tmp_path: Path) -> None:
    with packaged_orgs(tmp_path) as pair:
        known, source = catalogue(pair), pair.source
        known["Account"] = source.add_rows(
            "Account", [{"Name": f"Account {n}", "AccountNumber": f"A-{n}"} for n in range(ROWS)]
        )
        known["Contract"] = source.add_rows(
            "Contract", [{"AccountId": account, "Status": "Draft"} for account in known["Account"]]
        )
        known["Order"] = source.add_rows(
            "Order",
            [
                {"AccountId": account, "Status": "Draft", "EffectiveDate": "2026-01-01", "Pricebook2Id": known["Pricebook2"][0]}
                for account in known["Account"]
            ],
        )  # fmt: skip
        mine = tuple(name for name in LOOKUPS if name.startswith("blng__") or name == "SBQQ__Subscription__c")
        fill(pair, *mine, known=known)
        await carried(pair, "migration-revenue-cloud.yaml")
        assert_arrived(pair, *mine)
        for name in ("Account", "Contract", "Order"):
            assert len(pair.target.rows(name)) == ROWS
