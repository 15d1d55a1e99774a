"""A search through a large table pauses, so that other calls are answered meanwhile."""

from __future__ import annotations

from urllib.parse import quote

import msgspec
import pytest

from orgsim.emulator import Emulator, Options
from orgsim.soql.steps import settled
from orgsim.wire import Request

V = "/services/data/v62.0"


@pytest.fixture(scope="module")
def bench() -> Emulator:
    return Emulator(Options(profile="bench", rows={"Account": 6000}), "http://127.0.0.1:1")


def _get(emulator: Emulator, path: str) -> Request:
    return Request.build("GET", V + path, headers={"Authorization": f"Bearer {emulator.new_access_token()}"})


@pytest.mark.parametrize(
    ("soql", "found"),
    [
        ("SELECT Id FROM Account WHERE Name LIKE '%00000599%'", 11),
        ("SELECT COUNT() FROM Account WHERE Name LIKE '%00000599%'", 11),
        ("SELECT COUNT(Id) FROM Account WHERE Name LIKE '%00000599%'", 1),
        ("SELECT Id FROM Account WHERE Name LIKE '%00000599%' ORDER BY Name DESC LIMIT 3", 3),
    ],
)
def test_others_are_answered_in_the_pauses_of_a_long_search(bench: Emulator, soql: str, found: int):
    search = bench.answer_steps(_get(bench, f"/query?q={quote(soql)}"))
    for _ in range(5):
        next(search)
        assert bench.answer(_get(bench, "/limits")).status == 200
    answer = settled(search)
    assert isinstance(answer.body, bytes)
    assert msgspec.json.decode(answer.body)["totalSize"] == found


def test_what_is_wrong_with_a_long_search_is_said_as_ever(bench: Emulator):
    soql = "SELECT Id, Nope FROM Account WHERE Name LIKE '%9%'"
    assert settled(bench.answer_steps(_get(bench, f"/query?q={quote(soql)}"))).status == 400


def test_rows_that_change_during_a_search_do_not_disturb_it(bench: Emulator):
    search = bench.answer_steps(
        _get(bench, f"/query?q={quote('SELECT Id FROM Account WHERE Name LIKE ' + repr('%9%'))}")
    )
    next(search)
    table = bench.org.tables["account"]
    first, *_ = table.scan()
    table.remove(str(first["Id"]))
    table.put({**first, "Id": bench.org.new_id("001")})
    answer = settled(search)
    assert answer.status == 200


def test_pages_of_quick_results_can_be_asked_for_indented_and_inside_composite_calls(bench: Emulator):
    pretty = bench.answer(
        Request.build(
            "GET",
            f"{V}/query?q={quote('SELECT Id, Name FROM Account ORDER BY Id LIMIT 2')}",
            headers={"Authorization": f"Bearer {bench.new_access_token()}", "X-PrettyPrint": "1"},
        )
    )
    assert isinstance(pretty.body, bytes)
    assert b'"totalSize" : 2' in pretty.body
    url = f"{V}/query?q={quote('SELECT Id FROM Account LIMIT 2')}"
    first = f"{V}/sobjects/Account/@{{found.records[0].Id}}"
    body = {"compositeRequest": [{"method": "GET", "url": url, "referenceId": "found"},
                                 {"method": "GET", "url": first, "referenceId": "row"}]}  # fmt: skip
    headers = {"Authorization": f"Bearer {bench.new_access_token()}"}
    call = Request.build("POST", f"{V}/composite", headers=headers, body=msgspec.json.encode(body))
    answer = bench.answer(call)
    assert isinstance(answer.body, bytes)
    found, row = msgspec.json.decode(answer.body)["compositeResponse"]
    assert row["body"]["Id"] == found["body"]["records"][0]["Id"]
    assert found["httpStatusCode"] == 200, found
    assert len(found["body"]["records"]) == 2
