# ruff: noqa: RUF001 look-alikes are the point
"""Status codes, record batches, versions and describe messages."""

from __future__ import annotations

import copy
import pickle

import msgspec
import pytest

from isthmus.salesforce.describe import SchemaMessage, joined, messages
from isthmus.salesforce.errors import Refused
from isthmus.salesforce.records import RecordBatch
from isthmus.salesforce.routes import QUERY
from isthmus.salesforce.schema import FieldDescribe, ObjectDescribe
from isthmus.salesforce.status_code import ALL_STATUS_CODES, StatusCode
from isthmus.salesforce.version import choose_version
from isthmus.salesforce.world import MESSAGE_BYTES_MAX


def test_a_code_outside_the_list_is_other():
    assert StatusCode.parse("a secret value") is not None
    assert StatusCode.parse("a secret value").name == "OTHER"
    assert StatusCode.parse("") == StatusCode.OTHER == 0


def test_the_numbers_are_stored_and_must_not_move():
    fixed = {
        "OTHER": 0,
        "MISSING_PARENT": 1,
        "UNPROCESSED": 2,
        "UNREPRESENTABLE": 3,
        "ALL_OR_NONE_OPERATION_ROLLED_BACK": 100,
        "DUPLICATE_VALUE": 173 + 0,
    }
    assert {name: int(StatusCode.parse(name)) for name in fixed} == fixed
    assert len({int(code) for code in ALL_STATUS_CODES}) == len(ALL_STATUS_CODES) >= 563
    assert max(ALL_STATUS_CODES) < 2**15


@pytest.mark.parametrize("number", [-1, 50, 99, 40_000])
def test_a_number_of_no_code_is_refused(number):
    with pytest.raises(ValueError, match="status code"):
        StatusCode(number)


def test_an_error_says_route_and_code_alone():
    assert str(Refused(QUERY, StatusCode.parse("secret text"), 400)) == "query: OTHER (400)"


def test_a_batch_shows_a_count_and_cannot_be_copied():
    batch = RecordBatch([{"Name": "secret"}])
    assert f"{batch} {batch!r} {batch:>5}" == "<RecordBatch 1 rows> <RecordBatch 1 rows> <RecordBatch 1 rows>"
    for use in (pickle.dumps, copy.copy, copy.deepcopy, list, hash, lambda it: it == 1, vars):
        with pytest.raises(TypeError):
            use(batch)
    batch.clear()
    assert len(batch) == 0


@pytest.mark.parametrize(
    ("supported", "chosen"),
    [
        (["58.0", "62.0", "67.0"], "62.0"),
        (["60.0", "61.0"], "61.0"),
        (["66.0"], None),
        (["57.0"], None),
        (["x", "62.5", "６２.0"], None),
        ([], None),
    ],
)
def test_the_newest_version_that_both_know_is_chosen(supported, chosen):
    assert choose_version(supported) == chosen


def describe_with(*fields: FieldDescribe) -> ObjectDescribe:
    return ObjectDescribe(
        name="X__c",
        label="X",
        custom=True,
        queryable=True,
        createable=True,
        updateable=True,
        deletable=True,
        replicateable=True,
        fields=fields,
    )


def test_a_large_describe_travels_in_small_messages_and_is_joined_again():
    fields = tuple(
        FieldDescribe(name=f"F{n}__c", label="é" * 40, type="picklist", picklist_values=("value",) * 50)
        for n in range(400)
    )
    described = describe_with(*fields)
    packed = list(messages(3, described))
    assert len(packed) > 1
    assert max(map(len, packed)) <= MESSAGE_BYTES_MAX
    parts = [msgspec.json.decode(message, type=SchemaMessage) for message in packed]
    assert joined(parts[::-1]) == described
    assert joined(parts[:-1]) is None


def test_a_picklist_over_the_limit_is_cut_and_no_longer_called_restricted():
    values = tuple(f"value {n}" for n in range(10_000))
    field = FieldDescribe(name="P__c", label="P", type="picklist", restricted_picklist=True, picklist_values=values)
    packed = list(messages(0, describe_with(field)))
    assert max(map(len, packed)) <= MESSAGE_BYTES_MAX
    found = msgspec.json.decode(packed[-1], type=SchemaMessage).describe.fields[0]
    assert not found.restricted_picklist
    assert values[: len(found.picklist_values)] == found.picklist_values
