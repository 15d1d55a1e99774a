"""Every code has a cause and a remedy in plain language; so has every end of a run."""

from __future__ import annotations

import re

import pytest

from isthmus.salesforce.status_code import ALL_STATUS_CODES, StatusCode
from isthmus.sync.catalogue import CatalogueFaulty, CodeEntry, catalogue, parse_catalogue
from isthmus.sync.errors import TRANSIENT_CODES, explain, explain_end
from isthmus.sync.model import EndReason


def test_every_status_code_has_an_entry_and_every_entry_a_code() -> None:
    assert set(catalogue()) == {code.name for code in ALL_STATUS_CODES}


def test_every_entry_reads_as_a_sentence_and_says_what_to_do() -> None:
    for entry in catalogue().values():
        assert re.match(r"[a-z]|[A-Z]", entry.cause), entry.code
        assert not entry.cause.endswith("."), entry.code
        assert re.fullmatch(r"[A-Z`].*[.`]", entry.remedy), entry.code
        assert len(entry.cause) <= 160, entry.code
        assert len(entry.remedy) <= 200, entry.code
        assert explain(StatusCode.parse(entry.code)).remedy == entry.remedy


def test_what_is_read_again_by_itself_is_what_the_catalogue_says() -> None:
    assert {code.name for code in TRANSIENT_CODES} == {entry.code for entry in catalogue().values() if entry.again}
    assert StatusCode.UNABLE_TO_LOCK_ROW in TRANSIENT_CODES
    assert StatusCode.DUPLICATE_VALUE not in TRANSIENT_CODES
    for entry in catalogue().values():
        if entry.again:
            assert (
                "again" in entry.remedy
                or "next run" in entry.remedy
                or "Wait" in entry.remedy
                or ("Nothing to do" in entry.remedy)
            ), entry.code


@pytest.mark.parametrize("reason", [end for end in EndReason if end is not EndReason.FINISHED])
def test_every_end_of_a_run_has_a_cause_and_a_remedy(reason: EndReason) -> None:
    why = explain_end(reason)
    assert why.cause
    assert why.remedy.endswith(".")


@pytest.mark.parametrize(
    "line",
    ["A | + | cause", "A | ? | cause | Remedy.", "A | - |  | Remedy.", "A | - | cause | @nowhere", "A"],
)
def test_a_line_that_says_nothing_is_refused(line: str) -> None:
    with pytest.raises(CatalogueFaulty, match="line 2"):
        parse_catalogue(f"# head\n{line}\n")


def test_a_code_stands_there_once() -> None:
    with pytest.raises(CatalogueFaulty, match="line 2"):
        parse_catalogue("A | - | cause | Remedy.\nA | + | cause | Remedy.\n")


def test_shared_remedies_are_filled_in() -> None:
    text = "@x | Do it.\nA | + | a cause | @x\n"
    assert parse_catalogue(text) == {"A": CodeEntry("A", again=True, cause="a cause", remedy="Do it.")}
