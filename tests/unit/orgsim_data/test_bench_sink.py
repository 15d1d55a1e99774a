from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from orgsim.generate.profiles import populate
from orgsim.generate.sink import BadUpload, CsvSink
from tests.unit.orgsim_data.support import fresh_org


@pytest.fixture(scope="module")
def contacts():
    org = fresh_org()
    populate(org, "bench", seed=1, rows={"Account": 1000, "Contact": 60_000})
    return org.tables["contact"]


def _upload(table, start, stop):
    return b"Ext__c,AccountId,Title\n" + table.csv_rows(["Id", "AccountId", "Title"], np.arange(start, stop))


def test_rows_and_keys_are_counted_exactly(contacts):
    sink = CsvSink()
    took = sink.absorb(_upload(contacts, 0, 60_000), key="ext__c")
    assert (took.rows, took.created) == (60_000, 60_000)
    again = sink.absorb(_upload(contacts, 50_000, 60_000), key="Ext__c")
    assert (again.rows, again.created) == (10_000, 0)
    assert (sink.rows, sink.distinct_keys) == (70_000, 60_000)


def test_the_checksum_does_not_depend_on_order_or_on_how_rows_are_split(contacts):
    whole, parts = CsvSink(), CsvSink()
    whole.absorb(_upload(contacts, 0, 30_000), key="Ext__c")
    for start in (20_000, 0, 10_000):
        parts.absorb(_upload(contacts, start, start + 10_000), key="Ext__c")
    assert whole.summary() == parts.summary()


def test_one_changed_byte_shows_in_the_checksum(contacts):
    body = _upload(contacts, 0, 1000)
    first, second = CsvSink(), CsvSink()
    first.absorb(body, key="Ext__c")
    second.absorb(body.replace(b'""IT""', b'""TI""', 1), key="Ext__c")
    assert first.rows == second.rows
    assert first.checksum != second.checksum


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("block", [4, 16, 57, 4_000_000])
def test_quoted_line_breaks_and_delimiters_are_no_row_ends(block, ending):
    rows = ['k1,"a,\r\nb"', '"k2","say ""x"""', "k3,", '"k,4",plain']
    sink = CsvSink(block_bytes=block)
    if block == 4:
        with pytest.raises(BadUpload):  # no whole row fits into four blocks
            sink.absorb((ending.join(["K,V", *rows]) * 3).encode(), key="k", line_ending=ending)
        return
    took = sink.absorb(ending.join(["K,V", *rows]).encode(), key="k", line_ending=ending)
    assert (took.rows, took.created) == (4, 4)
    assert took.row_bytes == sum(len(row) for row in rows)


def test_another_delimiter_and_a_key_in_the_last_column():
    sink = CsvSink()
    took = sink.absorb(
        b'Name\tKey\r\n"a\tb"\tX1\r\nc\t"X2"\r\nd\tX1\r\n', key="KEY", delimiter="\t", line_ending="\r\n"
    )
    assert (took.rows, took.created) == (3, 2)


def test_an_insert_counts_every_row_as_new():
    took = CsvSink().absorb(b"Name\na\na\n", key=None)
    assert (took.rows, took.created) == (2, 2)


@pytest.mark.parametrize("body", [b"A,B\n1\n", b"A,B\n1,2,3\n4\n", b'A,B\n"1,2\n'])
def test_rows_of_another_width_are_refused(body):
    with pytest.raises(BadUpload):
        CsvSink().absorb(body, key="A")


def test_a_missing_key_column_is_refused():
    with pytest.raises(BadUpload):
        CsvSink().absorb(b"A,B\n1,2\n", key="C")


def test_an_upload_of_a_header_alone_brings_nothing():
    assert CsvSink().absorb(b"A,B\n", key="A").rows == 0
    assert CsvSink().absorb(b"A,B", key="A").rows == 0


def test_absorbed_rows_count_as_rows_of_the_table_with_or_without_a_key():
    org = fresh_org()
    populate(org, "bench", seed=1)
    table = org.tables["account"]
    table.sink.absorb(b"Name\na\nb\n", key=None)
    table.sink.absorb(b"Key__c,Name\n1,a\n1,b\n2,c\n", key="Key__c")
    assert table.count() == 4


def test_uploads_taken_in_several_threads_are_all_counted(contacts):
    sink = CsvSink(block_bytes=50_000)
    bodies = [_upload(contacts, start, start + 10_000) for start in range(0, 60_000, 10_000)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda body: sink.absorb(body, key="Ext__c"), bodies))
    assert (sink.rows, sink.distinct_keys) == (60_000, 60_000)
