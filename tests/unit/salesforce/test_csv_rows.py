# ruff: noqa: PT012 the reader is fed and finished in one go
"""The incremental CSV reader against the csv module, whatever the chunks."""

from __future__ import annotations

import csv
import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.salesforce.bulk_results import charge_of
from isthmus.salesforce.csv_rows import ROW_BYTES_MAX, BadCsv, CsvRows
from isthmus.salesforce.status_code import StatusCode

CELLS = st.lists(st.lists(st.text(alphabet='ab",\n é;', max_size=8), min_size=2, max_size=4), min_size=1, max_size=6)


@given(rows=CELLS, cuts=st.lists(st.integers(0, 300), max_size=8))
def test_rows_come_out_as_they_were_written(rows, cuts):
    written = io.StringIO()
    csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    data = written.getvalue().encode()
    borders = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    reader = CsvRows()
    found = [row for low, high in pairwise(borders) for row in reader.feed(data[low:high])]
    found += reader.finish()
    assert [[cell.decode() for cell in row] for row in found] == rows


def test_a_last_row_without_a_line_end_counts():
    reader = CsvRows()
    assert reader.feed(b"a,b\r\n1,") == [[b"a", b"b"]]
    assert reader.finish() == [[b"1", b""]]


@pytest.mark.parametrize("data", [b'"a"b,c\n', b'a"b\n"\n', b'"a" ,b\n'])
def test_a_stray_quote_is_refused(data):
    reader = CsvRows()
    with pytest.raises(BadCsv, match="quote"):
        reader.feed(data)
        reader.finish()


def test_a_row_without_end_is_refused():
    reader = CsvRows()
    with pytest.raises(BadCsv, match="too long"):
        for _ in range(ROW_BYTES_MAX // 1_000_000 + 2):
            reader.feed(b"x" * 1_000_000)


@pytest.mark.parametrize(
    ("error", "code", "field"),
    [
        ("REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --", "REQUIRED_FIELD_MISSING", "Name"),
        (
            "STRING_TOO_LONG:Name: data value too large: a:b:c (max length=1):Name Other__c --",
            "STRING_TOO_LONG",
            "Name",
        ),
        ("UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to 001000000000001:--", "UNABLE_TO_LOCK_ROW", ""),
        (
            "INVALID_FIELD:Foreign key external ID: secret not found for field Ext__c in entity Account:Account.Ext__c --",
            "MISSING_PARENT",
            "Account.Ext__c",
        ),
        ("MY_OWN_CODE:secret:secret value --", "OTHER", "secret"),
        ("secret", "OTHER", ""),
        ("", "OTHER", ""),
    ],
)
def test_an_error_cell_is_reduced_to_code_and_field(error, code, field):
    assert charge_of(error) == (StatusCode.parse(code), field)
