"""Queries over many virtual rows keep places, not rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from orgsim.generate.profiles import populate
from orgsim.org import Org
from orgsim.soql.lazy import Lot
from orgsim.soql.result import QueryResult
from orgsim.store.results import WriteContext
from tests.unit.orgsim_data.support import fresh_org


def _bench(accounts: int) -> tuple[Org, WriteContext]:
    org = fresh_org()
    seeded = populate(org, "bench", seed=1, rows={"Account": accounts})
    return org, WriteContext(seeded.admin_id)


def _page(org: Org, ctx: WriteContext, locator: str) -> dict[str, Any]:
    return _decoded(org.cursors.page(ctx.user_id, locator))


def _decoded(result: QueryResult) -> dict[str, Any]:
    return msgspec.json.decode(msgspec.json.encode(result.payload("62.0")))


def _paged(org: Org, soql: str, ctx: WriteContext) -> Iterator[str]:
    answer = _decoded(org.query(soql, ctx=ctx))
    while True:
        for record in answer["records"]:
            yield record["Id"]
        if answer["done"]:
            return
        answer = _page(org, ctx, answer["nextRecordsUrl"].rpartition("/")[2])


def test_a_whole_table_is_paged_by_position():
    org, ctx = _bench(4500)
    assert isinstance(org.query("SELECT Id FROM Account", ctx=ctx).rows, Lot)
    assert list(_paged(org, "SELECT Id FROM Account", ctx)) == [row["Id"] for row in org.tables["account"].scan()]


def test_chosen_rows_are_paged_by_id_and_those_deleted_meanwhile_are_left_out():
    org, ctx = _bench(4500)
    soql = "SELECT Id FROM Account WHERE Name != 'x'"
    first = org.query(soql, ctx=ctx)
    assert isinstance(first.rows, Lot)
    assert first.total == 4500
    gone = str(first.rows[4400]["Id"])
    org.tables["account"].remove(gone)
    last = _page(org, ctx, f"{first.cursor}-4000")
    assert last["done"]
    assert len(last["records"]) == 499
    assert gone not in {record["Id"] for record in last["records"]}


def test_a_limit_ends_the_reading():
    org, ctx = _bench(2_000_000)
    result = org.query("SELECT Id, Name FROM Account LIMIT 3", ctx=ctx)
    assert (result.total, len(result.page)) == (3, 3)
    assert org.query("SELECT Id FROM Account LIMIT 2 OFFSET 5", ctx=ctx).total == 2


def test_two_million_rows_are_counted_and_paged_without_being_made():
    org, ctx = _bench(2_000_000)
    result = org.query("SELECT Id FROM Account", ctx=ctx)
    assert result.total == 2_000_000
    assert len(_page(org, ctx, f"{result.cursor}-1998000")["records"]) == 2000


def test_pages_of_a_memory_table_do_not_shift_when_rows_come_and_go():
    org = fresh_org()
    ctx = WriteContext(populate(org, "empty", seed=1, rows={"Account": 300}).admin_id)
    first = org.query("SELECT Id FROM Account", ctx=ctx, page_rows=200)
    seen = [str(row["Id"]) for row in first.page]
    org.insert("Account", {"Name": "new"}, ctx)
    org.delete("Account", seen[0], ctx)
    rest = _page(org, ctx, f"{first.cursor}-200")["records"]
    assert len(rest) == 100
    assert not {record["Id"] for record in rest} & set(seen)
