"""The same records by REST collections and by Bulk files: both targets agree with each other and with the records."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.every_type import FIELDS, RECORDS, SPEC, STANDARD, ThreeOrgs, held, three_orgs, wanted

BY_REST, BY_BULK = 100_000, 1


@pytest.fixture(scope="module")
def orgs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeOrgs]:
    with three_orgs(tmp_path_factory.mktemp("parity")) as started:
        yield started


async def carry(orgs: ThreeOrgs, records: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """Carry the records both ways; return what differs, by field, as (by REST, by Bulk, expected)."""
    ids = orgs.put(records)
    for pair, rows_min, path in ((orgs.by_rest, BY_REST, "REST"), (orgs.by_bulk, BY_BULK, "Bulk")):
        result = await pair.copy(SPEC, bulk_rows_min=rows_min)
        assert (result.message, result.failures) == (None, ()), path
        assert {step.path for step in result.steps} <= {path, "-"}
    expected, by_rest, by_bulk = wanted(records, ids), held(orgs.by_rest), held(orgs.by_bulk)
    assert by_rest.keys() == by_bulk.keys() == expected.keys()
    return {
        field: (by_rest[row][field], by_bulk[row][field], value)
        for row in ids
        for field, value in expected[row].items()
        if not by_rest[row][field] == by_bulk[row][field] == value
    }


class Batch(list[dict[str, Any]]):
    """Generated records; a failure shows its fields, not all of them."""

    def __repr__(self) -> str:
        return f"<{len(self)} records>"


@given(records=st.lists(RECORDS, min_size=12, max_size=20).map(Batch))
@settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # a smaller example costs minutes: the assertion names field and values
    suppress_health_check=list(HealthCheck),
)
def test_both_paths_write_the_same_and_what_the_source_holds(orgs: ThreeOrgs, records: Batch) -> None:
    assert asyncio.run(carry(orgs, records)) == {}


def test_the_comparison_sees_a_single_character(orgs: ThreeOrgs) -> None:
    record = dict.fromkeys((*STANDARD, *FIELDS)) | {"Name": "one", "T_Check__c": False}
    assert asyncio.run(carry(orgs, [record])) == {}
    (row,) = orgs.by_bulk.target.rows("Account")
    orgs.by_bulk.target.control("PATCH", f"/rows/Account/{row['Id']}", {"T_Text__c": "\u200b"})
    assert held(orgs.by_bulk) != held(orgs.by_rest)


def test_every_kind_of_field_is_among_them() -> None:
    assert {str(metadata["type"]) for metadata in FIELDS.values()} == set(
        """Text TextArea LongTextArea Email Phone Url Picklist MultiselectPicklist Checkbox Number Currency Percent Date
        DateTime Time Lookup""".split()
    )
