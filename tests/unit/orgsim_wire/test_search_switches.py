"""What searches had to assume, and the switches that turn it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.support.orgsim import Orgsim


def _find(org: Orgsim, sosl: str) -> Any:
    status, _, answer = org.call("GET", f"/services/data/v62.0/search?q={quote(sosl)}")
    return answer if status == 200 else (status, answer[0]["errorCode"])


@pytest.mark.fact("search-sidebar-fields", "search-picklists", "search-reserved-characters")
def test_each_assumption_about_searches_has_a_switch(org: Orgsim):
    org.add_rows(
        "Account", [{"Name": "Bank", "Industry": "Banking", "Description": "anvils"}, {"Name": "Smith & Smythe"}]
    )
    sidebar, banking = "FIND {anvils} IN SIDEBAR FIELDS", "FIND {banking}"
    assert (len(_find(org, sidebar)["searchRecords"]), len(_find(org, banking)["searchRecords"])) == (0, 0)
    assert _find(org, "FIND {smith-smythe} RETURNING Account") == (400, "MALFORMED_SEARCH")
    other = {
        "search_sidebar_fields": "all", "search_picklists": True, "search_reserved_characters": "split",
    }  # fmt: skip
    org.control("POST", "/settings", other)
    assert (len(_find(org, sidebar)["searchRecords"]), len(_find(org, banking)["searchRecords"])) == (1, 1)
    assert len(_find(org, "FIND {smith-smythe} RETURNING Account")["searchRecords"]) == 1
