from __future__ import annotations

import csv
import io
import tracemalloc
from datetime import timedelta
from itertools import islice

import numpy as np
import pytest

from orgsim.bulk.sources import CsvTable
from orgsim.generate.bench import BenchTable
from orgsim.generate.profiles import populate
from orgsim.store.values import csv_value
from tests.unit.orgsim_data.support import NOW, fresh_org

COLUMNS = ["Id", "Name", "Industry", "BillingStreet", "AnnualRevenue", "NumberOfEmployees", "Fax", "Description",
           "IsPartner", "SystemModstamp"]  # fmt: skip


def _bench(rows, seed=1):
    org = fresh_org(seed=seed)
    populate(org, "bench", seed=seed, rows=rows)
    return org


@pytest.fixture(scope="module")
def org():
    return _bench({"Account": 30_000, "Contact": 90_000, "Opportunity": 1000})


def _parse(blocks):
    return list(csv.reader(io.StringIO(b"".join(blocks).decode(), newline="")))


def test_a_bench_table_is_both_kinds_of_table_that_the_server_knows(org):
    assert isinstance(org.tables["account"], CsvTable)
    assert org.tables["account"].count() == 30_000
    assert sum(1 for _ in org.tables["account"].scan()) == 30_000


def test_csv_and_rows_say_the_same(org):
    table = org.tables["account"]
    rows = list(islice(table.scan(), 17_000, 17_050))
    cells = _parse([table.csv_rows(COLUMNS, np.arange(17_000, 17_050))])
    assert cells == [[csv_value(row.get(name)) for name in COLUMNS] for row in rows]


@pytest.mark.parametrize(("delimiter", "ending"), [(",", "\n"), ("\t", "\r\n"), ("|", "\n")])
def test_delimiters_and_line_endings_are_as_asked(org, delimiter, ending):
    names = ["Id", "LastName"]
    block = org.tables["contact"].csv_rows(names, np.arange(3), delimiter=delimiter, line_ending=ending)
    lines = block.decode().split(ending)
    assert lines[-1] == ""
    assert [line.count(f'"{delimiter}"') for line in lines[:-1]] == [1, 1, 1]


def test_pages_put_together_are_the_whole(org):
    table = org.tables["contact"]
    whole = table.csv_rows(["Id", "Email"], np.arange(90_000))
    parts = [table.csv_rows(["Id", "Email"], np.arange(n, min(n + 25_000, 90_000))) for n in range(0, 90_000, 25_000)]
    assert b"".join(parts) == whole
    assert whole.count(b"\n") == 90_000


def test_every_id_is_the_one_the_org_would_give_and_finds_its_row(org):
    table = org.tables["account"]
    ids = [row["Id"] for row in islice(table.scan(), 0, 30_000, 7919)]
    for row_id in ids:
        found = table.get(row_id)
        assert found is not None
        assert found["Id"] == row_id
    numbers = [cells[0] for cells in _parse([table.csv_rows(["Id"], np.arange(30_000))])]
    assert len(set(numbers)) == 30_000
    first = org.ids.at("001", 1)
    assert numbers[0] == first
    assert numbers[12_345] == org.ids.at("001", 12_346)


def test_unknown_ids_find_nothing(org):
    table = org.tables["account"]
    for row_id in (org.ids.at("001", 30_001), org.ids.at("003", 5), "garbage", ""):
        assert table.get(row_id) is None


def test_children_lead_to_their_parents_and_back(org):
    accounts, contacts = org.tables["account"], org.tables["contact"]
    field = contacts.definition.field("AccountId")
    parent = next(islice(accounts.scan(), 4711, None))["Id"]
    children = list(contacts.equal(field, parent))
    assert len(children) == 3
    assert {row["AccountId"] for row in children} == {parent}
    assert all(accounts.get(row["AccountId"]) for row in islice(contacts.scan(), 0, 1000, 97))


def test_stamps_never_go_back_and_ranges_meet_without_gap_or_overlap(org):
    table = org.tables["account"]
    stamps = [row["SystemModstamp"] for row in table.scan()]
    assert stamps == sorted(stamps)
    assert NOW - timedelta(days=701) < stamps[0]
    assert stamps[-1] <= NOW - timedelta(minutes=59)
    cut = stamps[20_000]
    before = list(table.between("SystemModstamp", None, cut - timedelta(seconds=1)))
    after = list(table.between("SystemModstamp", cut, None))
    assert len(before) + len(after) == 30_000
    assert before[-1]["SystemModstamp"] < cut == after[0]["SystemModstamp"]
    assert list(table.between("SystemModstamp", NOW, None)) == []
    assert table.between("Name", None, None) is None


def test_one_seed_one_org_and_another_seed_another():
    def block(seed):
        return _bench({"Account": 100}, seed).tables["account"].csv_rows(["Name", "Industry", "Phone"], np.arange(100))

    assert block(3) == block(3)
    assert block(3) != block(4)


def test_written_rows_hide_virtual_ones():
    table = _bench({"Account": 100}).tables["account"]
    row = next(islice(table.scan(), 40, None))
    table.put({**row, "Name": "Changed", "SystemModstamp": NOW})
    assert table.count() == 100
    assert table.get(row["Id"])["Name"] == "Changed"
    assert [found["Name"] for found in table.scan()].count("Changed") == 1
    assert [found["Id"] for found in table.between("SystemModstamp", NOW, None)] == [row["Id"]]
    assert table.in_sight(np.arange(100)).tolist() == [place for place in range(100) if place != 40]
    table.remove(row["Id"])
    assert table.count() == 99
    assert table.get(row["Id"]) is None


@pytest.mark.parametrize("name", ["Nope", "BillingAddress", "Owner.Name"])
def test_columns_that_need_work_per_row_are_left_to_the_slow_path(org, name):
    assert not org.tables["account"].knows(["Id", name])


def test_memory_does_not_grow_with_the_number_of_virtual_rows():
    def peak(count):
        tracemalloc.start()
        table = _bench({"Account": count}).tables["account"]
        assert isinstance(table, BenchTable)
        for start in range(count - 20_000, count, 5000):
            assert table.csv_rows(COLUMNS, np.arange(start, start + 5000))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(3_000_000) < peak(30_000) * 1.2
