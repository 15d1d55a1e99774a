"""Commits that come later than their stamps, as every client that reads by SystemModstamp must survive."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import quote

import pytest

from tests.support.orgsim import Orgsim

V = "/services/data/v62.0"


def _names(org: Orgsim, where: str = "") -> list[str]:
    return [
        row["Name"]
        for row in org.call("GET", f"{V}/query?q={quote(f'SELECT Name FROM Account {where}')}")[2]["records"]
    ]


def _covered(org: Orgsim) -> datetime:
    now = datetime.fromisoformat(org.control("GET", "/clock")["now"])
    window = (
        f"start={quote((now - timedelta(hours=1)).isoformat())}&end={quote((now + timedelta(hours=1)).isoformat())}"
    )
    return datetime.fromisoformat(org.call("GET", f"{V}/sobjects/Account/updated?{window}")[2]["latestDateCovered"])


@pytest.mark.fact("updated-covered")
def test_a_row_appears_below_a_stamp_that_was_already_read(org: Orgsim):
    transaction = org.control("POST", "/transactions", {})["id"]
    [late] = org.control("POST", f"/transactions/{transaction}/rows/Account", [{"Name": "late"}])["ids"]
    org.control("POST", "/clock", {"advance_s": 120})
    org.call("POST", f"{V}/sobjects/Account", {"Name": "early"})
    [seen] = org.rows("Account")
    assert _names(org) == ["early"]
    org.control("POST", f"/transactions/{transaction}/commit")
    [row] = [row for row in org.rows("Account") if row["Id"] == late]
    assert row["SystemModstamp"] < seen["SystemModstamp"]
    assert _names(org, f"WHERE SystemModstamp > {seen['SystemModstamp'].replace('+0000', 'Z')}") == []


@pytest.mark.fact("updated-covered")
def test_latest_date_covered_stays_before_an_open_transaction(org: Orgsim):
    began = datetime.fromisoformat(org.control("GET", "/clock")["now"])
    transaction = org.control("POST", "/transactions", {})["id"]
    org.control("POST", "/clock", {"advance_s": 600})
    assert _covered(org) <= began
    org.control("POST", f"/transactions/{transaction}/rollback")
    assert _covered(org) > began + timedelta(minutes=8)


def test_changes_and_deletions_wait_for_the_commit_too(org: Orgsim):
    kept, gone = org.add_rows("Account", [{"Name": "kept"}, {"Name": "gone"}])
    transaction = org.control("POST", "/transactions", {})["id"]
    org.control("PATCH", f"/transactions/{transaction}/rows/Account/{kept}", {"Name": "changed"})
    org.control("DELETE", f"/transactions/{transaction}/rows/Account/{gone}")
    assert sorted(_names(org)) == ["gone", "kept"]
    assert org.control("POST", f"/transactions/{transaction}/commit") == {"writes": 2}
    assert _names(org) == ["changed"]


def test_what_is_rolled_back_was_never_there(org: Orgsim):
    transaction = org.control("POST", "/transactions", {})["id"]
    org.control("POST", f"/transactions/{transaction}/rows/Account", [{"Name": "never"}])
    org.control("POST", f"/transactions/{transaction}/rollback")
    assert _names(org) == []


@pytest.mark.fact("updated-covered")
def test_a_whim_commits_the_rows_of_an_upload_later_than_it_stamps_them(org: Orgsim):
    org.control("POST", "/whims", {"late_commit": 1.0, "commit_delay_s": [1.2, 1.2]})
    base = f"{V}/jobs/ingest"
    job = org.call("POST", base, {"object": "Account", "operation": "insert", "lineEnding": "LF"})[2]["id"]
    org.call("PUT", f"{base}/{job}/batches", b"Name\nlate\n", Content_Type="text/csv")
    org.call("PATCH", f"{base}/{job}", {"state": "UploadComplete"})
    while org.call("GET", f"{base}/{job}")[2]["state"] == "UploadComplete":
        pass
    org.call("POST", f"{V}/sobjects/Account", {"Name": "early"})
    before = _names(org)
    covered = _covered(org)
    while org.call("GET", f"{base}/{job}")[2]["state"] != "JobComplete":
        pass
    late = next(row for row in org.rows("Account") if row["Name"] == "late")
    assert before == ["early"]
    assert covered <= datetime.fromisoformat(late["SystemModstamp"])
    early = next(row for row in org.rows("Account") if row["Name"] == "early")
    assert late["SystemModstamp"] <= early["SystemModstamp"]
