"""Searches (SOSL and parameterizedSearch) over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.support.orgsim import Orgsim

V = "/services/data/v62.0"


@pytest.fixture
def stocked(org: Orgsim) -> Orgsim:
    org.add_rows(
        "Account",
        [
            {"Name": "Acme Import Company", "Phone": "336-555-0100", "Industry": "Banking"},
            {"Name": "ACME", "Description": "Sells anvils to coyotes"},
            {"Name": "Acmeville Roads"},
            {"Name": "Smith & Smythe"},
        ],
    )
    org.add_rows(
        "Contact",
        [
            {"FirstName": "Joe", "LastName": "Smith", "Email": "joe@acme.example"},
            {"FirstName": "Smith", "LastName": "Joe"},
            {"FirstName": "Zoë", "LastName": "Smythe", "Phone": "336"},
        ],
    )
    return org


def _find(org: Orgsim, sosl: str, version: str = "62.0") -> Any:
    status, _, answer = org.call("GET", f"/services/data/v{version}/search?q={quote(sosl)}")
    return answer if status == 200 else (status, answer[0]["errorCode"])


def _names(org: Orgsim, sosl: str) -> set[str]:
    return {row["Name"] for row in _find(org, sosl)["searchRecords"]}


@pytest.mark.fact("search-result")
@pytest.mark.fact("search-ids-only")
def test_the_answer_holds_ids_only_unless_fields_are_asked_for(stocked: Orgsim):
    [record] = _find(stocked, "FIND {anvils}")["searchRecords"]
    assert set(record) == {"attributes", "Id"}
    assert record["attributes"]["type"] == "Account"
    [record] = _find(stocked, "FIND {anvils} RETURNING Account(Id, Name), Contact")["searchRecords"]
    assert (record["Name"], record["attributes"]["url"]) == ("ACME", f"{V}/sobjects/Account/{record['Id']}")
    assert isinstance(_find(stocked, "FIND {anvils}", "36.0"), list)
    assert "searchRecords" in _find(stocked, "FIND {anvils}", "37.0")


@pytest.mark.fact("search-words")
@pytest.mark.fact("search-phrases")
@pytest.mark.fact("search-wildcards")
@pytest.mark.fact("search-default-operator")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("acme", {"Acme Import Company", "ACME"}),
        ("acm*", {"Acme Import Company", "ACME", "Acmeville Roads"}),
        ("a*e", {"Acme Import Company", "ACME", "Acmeville Roads"}),
        ("Acm?", {"Acme Import Company", "ACME"}),
        ("acme company", {"Acme Import Company"}),
        ('"acme company"', set[str]()),
        ('"acme imp*"', {"Acme Import Company"}),
        ("smith \\& smythe", {"Smith & Smythe"}),
    ],
)
def test_words_phrases_and_wildcards(stocked: Orgsim, text: str, expected: set[str]):
    assert _names(stocked, f"FIND {{{text}}} IN NAME FIELDS RETURNING Account(Name)") == expected


@pytest.mark.fact("search-operators")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("acme AND company", {"Acme Import Company"}),
        ("acme AND NOT company", {"ACME"}),
        ("roads or anvils", {"Acmeville Roads", "ACME"}),
        ("(roads OR import) AND company", {"Acme Import Company"}),
        ("roads OR import AND company", {"Acmeville Roads", "Acme Import Company"}),
        ('"or" OR roads', {"Acmeville Roads"}),
    ],
)
def test_operators_join_terms(stocked: Orgsim, text: str, expected: set[str]):
    assert _names(stocked, f"find {{{text}}} returning Account(Name)") == expected


@pytest.mark.fact("search-groups")
def test_a_group_limits_the_fields(stocked: Orgsim):
    back = "RETURNING Account(Name), Contact(Name)"
    assert _names(stocked, f"FIND {{acme}} IN EMAIL FIELDS {back}") == {"Joe Smith"}
    assert _names(stocked, f"FIND {{336}} IN PHONE FIELDS {back}") == {"Acme Import Company", "Zoë Smythe"}
    assert _names(stocked, f"FIND {{anvils}} IN NAME FIELDS {back}") == set()
    assert _names(stocked, f'FIND {{"joe smith"}} IN NAME FIELDS {back}') == {"Joe Smith"}
    assert _names(stocked, f"FIND {{acme}} {back}") == {"Acme Import Company", "ACME", "Joe Smith"}


@pytest.mark.fact("search-returning")
def test_what_is_returned_is_filtered_ordered_and_cut(stocked: Orgsim):
    spec = "Account(Name WHERE Phone = null ORDER BY Name DESC LIMIT 1)"
    assert _names(stocked, f"FIND {{acm*}} RETURNING {spec}") == {"Acmeville Roads"}
    assert _find(stocked, "FIND {acme} RETURNING Account(Nope)") == (400, "INVALID_FIELD")
    assert _find(stocked, "FIND {acme} RETURNING Nope(Id)") == (400, "INVALID_TYPE")


def test_deleted_rows_are_not_found(stocked: Orgsim):
    [record] = _find(stocked, "FIND {anvils}")["searchRecords"]
    stocked.call("DELETE", f"{V}/sobjects/Account/{record['Id']}")
    assert _find(stocked, "FIND {anvils}") == {"searchRecords": []}


@pytest.mark.fact("search-limit")
def test_a_limit_is_shared_out_evenly(org: Orgsim):
    org.add_rows("Account", [{"Name": "Shared"} for _ in range(19)])
    org.add_rows("Contact", [{"LastName": "Shared"} for _ in range(35)])

    def kinds(sosl: str) -> list[int]:
        found = [row["attributes"]["type"] for row in _find(org, sosl)["searchRecords"]]
        return [found.count("Account"), found.count("Contact")]

    assert kinds("FIND {shared} RETURNING Account, Contact LIMIT 20") == [10, 10]
    assert kinds("FIND {shared} RETURNING Account(Id LIMIT 3), Contact LIMIT 20") == [3, 17]


@pytest.mark.parametrize(
    "sosl",
    ["FIND acme", "acme", "FIND {a}", "FIND {acme", 'FIND {"acme}', "FIND {(acme}", "FIND {acme} IN Name", "FIND {and}",
     "FIND {acme} IN SOME FIELDS", "FIND {acme} RETURNING Account(Id", "FIND {acme} LIMIT x", "FIND {acme} and more"],
)  # fmt: skip
def test_a_malformed_search_is_refused(org: Orgsim, sosl: str):
    assert _find(org, sosl) == (400, "MALFORMED_SEARCH")


@pytest.mark.fact("search-parameters")
@pytest.mark.fact("search-parameters-since")
def test_a_search_by_parameters_finds_the_same(stocked: Orgsim):
    target = f"{V}/parameterizedSearch/?q=acm*&sobject=Account&Account.fields=id,name&Account.limit=2&in=NAME"
    status, _, answer = stocked.call("GET", target)
    assert (status, len(answer["searchRecords"])) == (200, 2)
    assert set(answer["searchRecords"][0]) == {"attributes", "Id", "Name"}
    body = {
        "q": "smith", "in": "ALL", "fields": ["Id", "Name"], "overallLimit": 10,
        "sobjects": [{"name": "Account"}, {"name": "Contact", "fields": ["Email"], "where": "Email != null"}],
    }  # fmt: skip
    status, _, answer = stocked.call("POST", f"{V}/parameterizedSearch", body)
    assert [row.get("Name") or row["Email"] for row in answer["searchRecords"]] == [
        "Smith & Smythe",
        "joe@acme.example",
    ]
    assert stocked.call("GET", f"{V}/parameterizedSearch")[2][0]["errorCode"] == "JSON_PARSER_ERROR"
    assert stocked.call("GET", "/services/data/v35.0/parameterizedSearch?q=acme")[0] == 404
