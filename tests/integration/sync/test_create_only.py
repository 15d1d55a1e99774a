"""Fields that a record takes on creation and never again (master-detail, a price's product): carried once, then spared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.copying import Pair, sync_settings
from tests.support.orgsim import start_orgsim

TEXT = """
version: 1
name: prices
steps:
  - {object: Product2, fields: {Name: Name, ProductCode: ProductCode}}
  - {object: Pricebook2, adopt_on: Name, fields: {Name: Name}}
  - object: PricebookEntry
    fields: {Pricebook2Id: Pricebook2Id, Product2Id: Product2Id, UnitPrice: UnitPrice, IsActive: IsActive}
"""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with start_orgsim(name="from") as source, start_orgsim(name="to", seed=2) as target:
        yield Pair(source, target, sync_settings(tmp_path))


def fill(pair: Pair) -> list[str]:
    products = pair.source.add_rows("Product2", [{"Name": f"P{n}", "ProductCode": f"P-{n}"} for n in range(3)])
    standard = next(row["Id"] for row in pair.source.rows("Pricebook2") if row["IsStandard"])
    prices = [{"Pricebook2Id": standard, "Product2Id": each, "UnitPrice": 5, "IsActive": True} for each in products]
    return pair.source.add_rows("PricebookEntry", prices)


@pytest.mark.parametrize("bulk_rows_min", [100_000, 1], ids=["REST", "Bulk"])
async def test_rows_are_created_with_them_and_changed_without_them(pair: Pair, bulk_rows_min: int) -> None:
    entries = fill(pair)
    for price in (5, 7.25):
        pair.source.control("PATCH", f"/rows/PricebookEntry/{entries[0]}", {"UnitPrice": price})
        result = await pair.copy(TEXT, bulk_rows_min=bulk_rows_min)
        assert result.message is None, [e for e in pair.source.transcript() if e["status"] >= 400]
        assert [failure for failure in result.failures if failure.failed] == []
        products = {row["Id"]: row["ProductCode"] for row in pair.target.rows("Product2")}
        made = {products[row["Product2Id"]]: row["UnitPrice"] for row in pair.target.rows("PricebookEntry")}
        assert made == {"P-0": price, "P-1": 5, "P-2": 5}


async def test_the_plan_says_which_columns_go_only_once_and_others_stay_read_only(pair: Pair) -> None:
    result = await pair.copy(TEXT, dry_run=True)
    assert result.plan is not None
    once = {column.target for step in result.plan.steps for column in step.columns if column.create_only}
    assert once == {"Pricebook2Id", "Product2Id"}
    refused = await pair.copy("version: 1\nname: x\nsteps: [{object: Account, fields: {Name: Name, Id: Id}}]\n")
    assert "read_only" in {issue.code for issue in refused.issues}
