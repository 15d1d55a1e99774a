from __future__ import annotations

import pytest

from orgsim.store.results import WriteContext
from tests.unit.orgsim.conftest import Api


@pytest.fixture
def leads(api: Api) -> Api:
    for number, (status, rating) in enumerate((("New", "Hot"), ("New", "Cold"), ("Open", "Hot"))):
        api.org.load("Lead", [{"LastName": str(number), "Company": "C", "LeadSource": status, "Rating": rating}])
    assert WriteContext(api.admin)
    return api


def _rows(api: Api, soql: str) -> list[tuple[object, ...]]:
    answer = api.query(soql)
    assert isinstance(answer, dict), answer
    return [tuple(value for key, value in row.items() if key != "attributes") for row in answer["records"]]


@pytest.mark.fact("query-rollup")
def test_rollup_adds_subtotals_and_a_total(leads: Api):
    soql = "SELECT LeadSource, Rating, COUNT(Id) FROM Lead GROUP BY ROLLUP(LeadSource, Rating)"
    assert set(_rows(leads, soql)) == {
        ("New", "Hot", 1), ("New", "Cold", 1), ("Open", "Hot", 1), ("New", None, 2), ("Open", None, 1), (None, None, 3),
    }  # fmt: skip


@pytest.mark.fact("query-cube")
def test_cube_adds_every_combination(leads: Api):
    soql = "SELECT LeadSource, Rating, COUNT(Id) FROM Lead GROUP BY CUBE(LeadSource, Rating)"
    rows = _rows(leads, soql)
    assert len(rows) == 8
    assert {(None, "Hot", 2), (None, "Cold", 1), (None, None, 3)} <= set(rows)


@pytest.mark.fact("query-grouping")
def test_grouping_tells_subtotals_from_nulls(leads: Api):
    soql = "SELECT LeadSource, GROUPING(LeadSource) g, COUNT(Id) FROM Lead GROUP BY ROLLUP(LeadSource)"
    assert set(_rows(leads, soql)) == {("New", 0, 2), ("Open", 0, 1), (None, 1, 3)}
    having = "SELECT COUNT(Id) FROM Lead GROUP BY ROLLUP(LeadSource) HAVING GROUPING(LeadSource) = 1"
    assert _rows(leads, having) == [(3,)]


@pytest.mark.parametrize(
    "soql",
    [
        "SELECT GROUPING(LeadSource), COUNT(Id) FROM Lead GROUP BY LeadSource",
        "SELECT GROUPING(LeadSource) FROM Lead",
        "SELECT COUNT(Id) FROM Lead GROUP BY ROLLUP(LeadSource, Rating, Status, Industry)",
        "SELECT COUNT(Id) FROM Lead GROUP BY CUBE LeadSource",
    ],
)
def test_subtotals_out_of_place_are_refused(leads: Api, soql: str):
    assert leads.query(soql)[0]["errorCode"] == "MALFORMED_QUERY"
