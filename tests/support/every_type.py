"""Records with a field of every type of Salesforce that can be copied, and what a target must hold of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.support.copying import Pair, sync_settings
from tests.support.orgsim import Orgsim, start_orgsim

PICKS = ("Gold", 'Sil"ver', "Bronze, dark", "Grün", "#N/A")
FIELDS: Mapping[str, Mapping[str, object]] = {
    "T_Text__c": {"type": "Text", "length": 255},
    "T_Area__c": {"type": "TextArea"},
    "T_Long__c": {"type": "LongTextArea", "length": 131_072},
    "T_Email__c": {"type": "Email"},
    "T_Phone__c": {"type": "Phone"},
    "T_Url__c": {"type": "Url"},
    "T_Pick__c": {"type": "Picklist", "valueSet": {"valueSetDefinition": {"value": [{"valueName": v} for v in PICKS]}}},
    "T_Multi__c": {
        "type": "MultiselectPicklist",
        "valueSet": {"valueSetDefinition": {"value": [{"valueName": v} for v in PICKS]}},
    },
    "T_Check__c": {"type": "Checkbox"},
    "T_Number__c": {"type": "Number", "precision": 18, "scale": 6},
    "T_Whole__c": {"type": "Number", "precision": 15, "scale": 0},
    "T_Money__c": {"type": "Currency", "precision": 18, "scale": 2},
    "T_Percent__c": {"type": "Percent", "precision": 8, "scale": 3},
    "T_Date__c": {"type": "Date"},
    "T_Instant__c": {"type": "DateTime"},
    "T_Time__c": {"type": "Time"},
    "T_Other__c": {"type": "Lookup", "referenceTo": "Account"},
    "T_As_Text__c": {"type": "Text", "length": 40},
    "T_Instant_As_Text__c": {"type": "Text", "length": 40},
    "T_Time_As_Text__c": {"type": "Text", "length": 40},
    "T_Date_As_Text__c": {"type": "Text", "length": 40},
}
FROM = {
    "T_As_Text__c": "T_Number__c",
    "T_Instant_As_Text__c": "T_Instant__c",
    "T_Time_As_Text__c": "T_Time__c",
    "T_Date_As_Text__c": "T_Date__c",
}
STANDARD = ("Name", "ParentId", "BillingStreet", "BillingCity", "BillingLatitude", "BillingLongitude")
"""Compound fields travel by their parts: an address with its geolocation."""
LOOKUPS = ("ParentId", "T_Other__c")
HTML = '<p>Rich &amp; <b>bold</b><br>"quoted", <img src="https://x.example/a?b=1&amp;c=2"></img></p>\n'
PIECES = (
    '"', '""', ",", "\n", "\r", "\r\n", " ", "\t", "#N/A", "#n/a", "N/A", "null", "NULL", "None", "=1+1", "'", "\\",
    "\u2028", "\x85", "\ufeff", "\u200b", "𝄞", "漢字", "e\u0301", "🏳️‍🌈", ";", "x" * 70, "true", "0", "1E5", "-0.0", "2026-01-31",
)  # fmt: skip

SPEC = "version: 1\nname: every type\nsteps:\n  - object: Account\n    fields:\n" + "".join(
    f"      {name}: {FROM.get(name, name)}\n" for name in (*STANDARD, *FIELDS)
)


def _texts(length: int) -> st.SearchStrategy[str]:
    letters = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\0"), max_size=6)
    made = st.lists(st.one_of(st.sampled_from(PIECES), letters), max_size=8).map("".join)
    return made.map(lambda text: text[:length])


def _or_null(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


def _decimals(digits: int, places: int) -> st.SearchStrategy[float]:
    """Numbers that a double holds exactly enough: Salesforce gives fifteen digits."""
    whole = st.integers(-(10**digits) + 1, 10**digits - 1)
    return st.one_of(st.sampled_from((0.0, 1.0, -1.0)), whole.map(lambda n: n / 10**places))


def _moments() -> Mapping[str, st.SearchStrategy[str]]:
    clocks = st.times().map(lambda at: f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}")
    days = st.dates(min_value=date(1700, 1, 1), max_value=date(4000, 1, 1)).map(lambda day: day.isoformat())
    return {
        "T_Date__c": days,
        "T_Time__c": clocks.map(lambda clock: clock + "Z"),
        "T_Instant__c": st.builds("{}T{}Z".format, days, clocks),
    }


RECORDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "Name": _texts(200).filter(lambda text: text.strip()),
        "BillingStreet": _or_null(_texts(255)),
        "BillingCity": _or_null(_texts(40)),
        "BillingLatitude": _or_null(_decimals(7, 6)),
        "BillingLongitude": _or_null(_decimals(7, 6)),
        "T_Text__c": _or_null(_texts(255)),
        "T_Area__c": _or_null(_texts(255)),
        "T_Long__c": _or_null(st.one_of(_texts(500), st.sampled_from((HTML, "é" * 16_100, "y" * 32_001, "#N/A")))),
        "T_Email__c": _or_null(st.sampled_from(("a@b.co", "O'Neil+x@Example.ORG", "ünï@exämple.com"))),
        "T_Phone__c": _or_null(st.sampled_from(("+49 (30) 123-45", "0800,5", "#N/A", "\uff11\uff12"))),
        "T_Url__c": _or_null(st.sampled_from(('https://x.example/?a=1,2&b="c"', "ftp://ü.example"))),
        "T_Pick__c": _or_null(st.sampled_from(PICKS)),
        "T_Multi__c": _or_null(st.lists(st.sampled_from(PICKS), min_size=1, unique=True).map(";".join)),
        "T_Check__c": st.booleans(),
        "T_Number__c": _or_null(_decimals(15, 6)),
        "T_Whole__c": _or_null(_decimals(15, 0)),
        "T_Money__c": _or_null(_decimals(15, 2)),
        "T_Percent__c": _or_null(_decimals(8, 3)),
        **{name: _or_null(values) for name, values in _moments().items()},
        "ParentId": _or_null(st.integers(0, 1_000)),
        "T_Other__c": _or_null(st.integers(0, 1_000)),
    }
)
"""Lookups are numbers here: which of the other records of the batch is meant."""


@dataclass(frozen=True)
class ThreeOrgs:
    """One source, and a target for each path."""

    by_rest: Pair
    by_bulk: Pair

    def put(self, records: Sequence[Mapping[str, Any]]) -> list[str]:
        """Empty all three orgs, and store the records in the source. Lookups point backwards and forwards."""
        source = self.by_rest.source
        for org in (source, self.by_rest.target, self.by_bulk.target):
            for row in org.rows("Account"):
                org.control("DELETE", f"/rows/Account/{row['Id']}?hard=true")
        plain = [{name: value for name, value in row.items() if name not in LOOKUPS} for row in records]
        ids = source.add_rows("Account", plain)
        for row_id, row in zip(ids, records, strict=True):
            links = {name: ids[row[name] % len(ids)] for name in LOOKUPS if row[name] is not None}
            if links:
                source.control("PATCH", f"/rows/Account/{row_id}", links)
        return ids


@contextmanager
def three_orgs(home: Path) -> Iterator[ThreeOrgs]:
    """Start the orgs and give each the fields."""
    with (
        start_orgsim(name="source") as source,
        start_orgsim(name="rest", seed=2) as rest,
        start_orgsim(name="bulk", seed=3) as bulk,
    ):
        for org in (source, rest, bulk):
            add_fields(org)
        settings = sync_settings(home)
        yield ThreeOrgs(Pair(source, rest, settings), Pair(source, bulk, settings))


def add_fields(org: Orgsim) -> None:
    """Make the fields on Account."""
    for name, metadata in FIELDS.items():
        label = name.removesuffix("__c").replace("_", " ")
        org.control("POST", "/fields", {"FullName": f"Account.{name}", "Metadata": {**metadata, "label": label}})


def held(pair: Pair) -> dict[str, dict[str, Any]]:
    """Return what the target holds, by source id; lookups as source ids."""
    rows = pair.target.rows("Account")
    source_ids = {row["Id"]: row["SwiftPort_Source_Id__c"] for row in rows}
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        values = {name: row.get(name) for name in (*STANDARD, *FIELDS)}
        found[row["SwiftPort_Source_Id__c"]] = values | {name: source_ids.get(row[name]) for name in LOOKUPS}
    return found


def wanted(records: Sequence[Mapping[str, Any]], ids: list[str]) -> dict[str, dict[str, Any]]:
    """Return what a target must hold, worked out from the records alone, by what Salesforce does on saving."""
    return {row_id: _saved(row, ids) for row_id, row in zip(ids, records, strict=True)}


def _saved(row: Mapping[str, Any], ids: list[str]) -> dict[str, Any]:
    saved: dict[str, Any] = {}
    for name in (*STANDARD, *FIELDS):
        value = row[FROM.get(name, name)]
        if name in LOOKUPS:
            saved[name] = None if value is None else ids[value % len(ids)]
        elif name == "T_Email__c" and value is not None:
            saved[name] = value.lower()
        elif name == "T_Instant__c" and value is not None:
            saved[name] = value.replace("Z", "+0000")
        elif name == "T_As_Text__c":
            saved[name] = None if value is None else _digits(value)
        else:
            saved[name] = (value.strip() or None) if isinstance(value, str) else value
    return saved


def _digits(number: float) -> str:
    """Six decimals at most, none that says nothing."""
    text = f"{number:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
