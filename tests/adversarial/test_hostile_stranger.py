"""Copies between two orgs of a stranger's making: right, or refused clearly, whatever the contract leaves open."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from isthmus.clock import SystemClock
from isthmus.egress.hosts import HostDenied, parse_login_host
from isthmus.sync.copy import CopyOrg, CopyResult, copy_once
from isthmus.sync.spec import parse_spec
from isthmus.values import Secret
from tests.adversarial.stranger.rows import KEY
from tests.adversarial.stranger.server import TOKEN, Stranger, stranger
from tests.adversarial.stranger.voice import Ways
from tests.support.copying import sync_settings

SPEC = """version: 1
name: strangers
steps:
  - {object: Account, fields: {Name: Name, Site: Site, AnnualRevenue: AnnualRevenue, Active__c: Active__c,
     ParentId: ParentId}}
  - {object: Contact, fields: {LastName: LastName, Birthdate: Birthdate, AccountId: AccountId}}
"""
SMALL, LARGE = 100_000, 1
NAMES = ('quote " and ""', "comma, here", "line\nfeed", "tab\t", "Zażółć 𝄞", "'=1+1", "plain", "x" * 300)


@dataclass
class Two:
    """A source and a target."""

    source: Stranger
    target: Stranger
    home: Path

    async def copy(self, bulk_rows_min: int) -> CopyResult:
        return await copy_once(
            parse_spec(SPEC),
            _org(self.source),
            _org(self.target),
            settings=sync_settings(self.home),
            clock=SystemClock(),
            bulk_rows_min=bulk_rows_min,
        )

    def fill(self, rows: int = 11) -> None:
        ids: list[str] = []
        for n in range(rows):
            parent = ids[n - 1] if n % 3 == 2 else None
            values = {"Site": None if n % 2 else f"Site {n}", "AnnualRevenue": n * 1.25, "Active__c": n % 2 == 0}
            ids.append(self.source.add("Account", Name=f"{n} {NAMES[n % 8]}", ParentId=parent, **values))
            born = date(1980, 2, 29).isoformat() if n % 2 else None
            self.source.add("Contact", LastName=f"P {n}", AccountId=ids[n // 2] if n % 4 else None, Birthdate=born)

    def assert_equal(self) -> None:
        """Every source row is in the target once, with its values and under the right parent."""
        for name, lookups in (("Account", {"ParentId": "Account"}), ("Contact", {"AccountId": "Account"})):
            wanted = {key: _plain(row, ()) for key, row in self.source.tables[name].items()}
            found: dict[object, dict[str, object]] = {}
            for row in self.target.tables[name].values():
                parents = {
                    column: self.target.tables[parent][str(row[column])][KEY] if row[column] else None
                    for column, parent in lookups.items()
                }
                assert row[KEY] not in found, "a row twice"
                found[row[KEY]] = _plain(row, ()) | parents
            assert found == wanted


def _plain(row: dict[str, object], _: tuple[()]) -> dict[str, object]:
    """Values as text: a file carries nothing else."""
    return {
        name: None if value is None else str(value).lower() if isinstance(value, bool) else _number(value)
        for name, value in row.items()
        if name not in {"Id", "SystemModstamp", KEY}
    }


def _number(value: object) -> object:
    try:
        return float(str(value))
    except ValueError:
        return value


def _org(org: Stranger) -> CopyOrg:
    host = parse_login_host(org.origin, allow_loopback_http=True)
    assert not isinstance(host, HostDenied)
    return CopyOrg(host, Secret(TOKEN))


@asynccontextmanager
async def two(home: Path, source: Ways, target: Ways | None = None) -> AsyncIterator[Two]:
    async with stranger(source, "S0S") as one, stranger(target or Ways(), "T0T") as other:
        pair = Two(one, other, home)
        pair.fill()
        yield pair


HABITS: dict[str, Callable[[], Ways]] = {
    "lower-case headers, gzip, unknown keys": lambda: Ways(
        header_case="lower",
        gzip=True,
        extra_keys=True,
        created_key=False,
        versions=tuple(f"{n}.0" for n in range(31, 71)),
    ),
    "upper-case headers, chunks, little in the describe": lambda: Ways(
        header_case="upper", framing="chunked", gzip=True, sparse_describe=True, content_type=None
    ),
    "HTTP/1.0, unquoted values, pages elsewhere": lambda: Ways(
        framing="close", quoting="needed", quoted_null=False, next_url="https://evil.example.com{path}"
    ),
    "closes every connection, numeric locators, absolute URLs": lambda: Ways(
        hang_up=True, numeric_locator=True, bulk_page_rows=2, next_url="{origin}{path}/", quoted_null=False
    ),
    "odd content type, unknown states of a job": lambda: Ways(
        content_type="text/plain; charset=latin-1", odd_states=("Queued", "InProgress", "Processing", "InProgress")
    ),
}


@pytest.mark.parametrize("habit", HABITS)
async def test_whatever_the_contract_leaves_open_everything_arrives_on_both_paths(habit: str, tmp_path: Path) -> None:
    async with two(tmp_path, HABITS[habit](), HABITS[habit]()) as pair:
        for path in (SMALL, LARGE):
            result = await pair.copy(path)
            assert (result.message, result.exit_status, result.failures) == (None, 0, ())
            pair.assert_equal()
            pair.target.forget()


REFUSED: dict[str, tuple[Callable[[], Ways], int, str]] = {
    "no version that we know": (lambda: Ways(versions=("66.0", "67.0")), SMALL, "none of the API versions"),
    "rows end in CR LF": (lambda: Ways(line_end="\r\n", quoting="needed"), LARGE, "CSV|readable|understood|answer"),
    "a page ends too early": (lambda: Ways(framing="close", drop_bulk_rows=1), LARGE, "rows|announced"),
    "ids of 15 characters (Bulk)": (lambda: Ways(short_ids=True), LARGE, "answer"),
    "ids of 15 characters (REST)": (lambda: Ways(short_ids=True), SMALL, "answer"),
}


@pytest.mark.parametrize("habit", REFUSED)
async def test_what_cannot_be_right_is_refused_and_nothing_false_is_kept(habit: str, tmp_path: Path) -> None:
    ways, path, says = REFUSED[habit]
    async with two(tmp_path, ways()) as pair:
        result = await pair.copy(path)
        assert result.exit_status == 2
        assert re.search(says, result.message or ""), result.message
        assert "mistake" not in (result.message or "")
        for row in pair.target.tables["Account"].values():
            assert len(str(row[KEY])) == 18


async def test_rows_that_a_job_forgets_are_counted_as_not_processed(tmp_path: Path) -> None:
    async with two(tmp_path, Ways(bulk_page_rows=1000), Ways(forget_upload_rows=2)) as pair:
        pair.source.tables["Contact"].clear()
        pair.fill(2100)
        result = await pair.copy(LARGE)
        assert result.exit_status == 1
        assert {failure.code for failure in result.failures} >= {"UNPROCESSED"}
        missing = len(pair.source.tables["Account"]) - len(pair.target.tables["Account"])
        assert sum(f.rows for f in result.failures if f.step == "Account" and f.code == "UNPROCESSED") == missing > 0


async def test_error_bodies_of_every_kind_pass_when_their_status_does(tmp_path: Path) -> None:
    stumbles = [
        ("/query$", 503, b"<html><h1>503</h1>canary</html>"),
        ("/query$", 420, b""),
        ("/describe$", 500, b'{"error":"canary"}'),
        ("/describe$", 302, b"<html>canary: we are down for maintenance</html>"),
        ("/composite/", 406, b"[]"),
        ("/composite/", 503, b'[{"errorCode":"SERVER_UNAVAILABLE","message":"canary"}]'),
        ("/services/data$", 429, b"null"),
        ("/composite/", 400, b"\xef\xbb\xbf<Errors><Error><errorCode>UNABLE_TO_LOCK_ROW</errorCode></Error></Errors>"),
    ]
    async with two(tmp_path, Ways(stumbles=stumbles[:4]), Ways(stumbles=stumbles[4:])) as pair:
        result = await pair.copy(SMALL)
        assert (result.message, result.exit_status) == (None, 0)
        pair.assert_equal()
        assert "canary" not in repr(result)
