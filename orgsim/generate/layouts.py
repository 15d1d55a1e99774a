"""What the virtual rows of the bench profile hold, field by field."""
# ruff: noqa: RUF001  # letters of other scripts and look-alikes are what this data is for

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from orgsim.generate.cells import (
    Choice,
    Coded,
    Column,
    Constant,
    Day,
    Digits,
    IdColumn,
    Moments,
    Spread,
    Stamp,
    Timeline,
)

SPREAD_DAYS = 700
"""The rows of a bench org were written over this many days, the last one an hour ago."""


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """How many virtual rows per object, and what they refer to."""

    seed: int
    counts: Mapping[str, int]
    owner_id: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one virtual object by field name (others are null), and its place in time."""

    columns: Mapping[str, Column | Coded | Moments]
    spread: Timeline
    parents: Mapping[str, tuple[str, int, int]]
    """Reference field: (prefix, first id number, number of parents). Its column says which parent a row has."""

    stamps: frozenset[str] = frozenset({"SystemModstamp", "LastModifiedDate", "CreatedDate"})
    """The fields that `spread` is the time of."""


def lay_out(name: str, plan: BenchPlan, *, pod: str, firsts: Mapping[str, int]) -> Layout:
    """Return the layout of an object; `firsts` gives the first id number per object."""
    count = plan.counts[name]
    spread = Spread(plan.now - timedelta(days=SPREAD_DAYS), (SPREAD_DAYS * 24 - 1) * 3600, count)
    stamp = Stamp(spread)
    owner = Constant(plan.owner_id)
    columns: dict[str, Column | Coded | Moments] = {
        "Id": IdColumn(PREFIXES[name], pod, firsts[name]),
        "IsDeleted": Constant("false"),
        "OwnerId": owner,
        "CreatedDate": stamp,
        "CreatedById": owner,
        "LastModifiedDate": stamp,
        "LastModifiedById": owner,
        "SystemModstamp": stamp,
    }
    parents: dict[str, tuple[str, int, int]] = {}
    accounts = plan.counts.get("Account", 0)
    if name in {"Contact", "Opportunity"} and accounts:
        columns["AccountId"] = IdColumn("001", pod, firsts["Account"], accounts)
        parents["AccountId"] = ("001", firsts["Account"], accounts)
    own = {"Account": _account, "Contact": _contact, "Opportunity": _opportunity}[name]
    return Layout({**columns, **own(plan.seed, spread)}, spread, parents)


PREFIXES = {"Account": "001", "Contact": "003", "Opportunity": "006"}
"""The objects that the bench profile can serve."""


def _account(seed: int, spread: Spread) -> dict[str, Column]:
    del spread
    return {
        "Name": Digits("Bench Account – Größe ", 9),
        "Type": Choice(("Prospect", "Prospect"), seed),
        "Industry": Choice(("Technology", "Healthcare", "Consulting", "Government", "Recreation"), seed + 1),
        "Rating": Choice(("Warm", "Cold"), seed + 2),
        "Phone": Digits("+1 312 555-", 4, 7, seed),
        "AccountNumber": Digits("A-", 10, 31, seed),
        "Website": Digits("https://bench.example/", 9),
        "AnnualRevenue": Digits("", 7, 7919, seed, ".0", "4"),
        "NumberOfEmployees": Digits("", 3, 37, seed, "", "1"),
        "BillingStreet": Digits("", 4, 13, seed, ' "Long" Street, Flat 2\nRear building'.replace('"', '""'), "1"),
        "BillingCity": Choice(("Berlin", "London", "Dublin", "Sydney", "Malmö"), seed + 3),
        "BillingPostalCode": Digits("", 5, 101, seed),
        "BillingCountry": Choice(("Germany", "Ireland", "Austria"), seed + 4),
        "Description": Constant(
            'Made up as it is read, "virtual", from seed and number. 漢字, العربية, 🙂\nSecond line.'
        ),
        "IsPartner": Constant("false"),
        "IsCustomerPortal": Constant("false"),
    }


def _contact(seed: int, spread: Spread) -> dict[str, Column]:
    del spread
    return {
        "FirstName": Choice(("Amélie", "Jürgen", "Márcio"), seed),
        "LastName": Digits("Bench-Contact ", 9),
        "Salutation": Choice(("Mr.", "Ms.", "Dr."), seed + 1),
        "Email": Digits("bench.contact.", 9, after="@contacts.example"),
        "Phone": Digits("+1 312 555-", 4, 11, seed),
        "MobilePhone": Digits("+49 170 555-", 4, 17, seed),
        "Title": Choice(('Head, ""IT""', 'Head, ""HR""'), seed + 2),
        "Department": Choice(("営業部", "技術部"), seed + 3),
        "MailingStreet": Digits("", 4, 13, seed, " Long Street, Flat 2", "1"),
        "MailingCity": Choice(("Berlin", "London", "Dublin", "Sydney"), seed + 4),
        "MailingCountry": Choice(("Germany", "Ireland", "Austria"), seed + 5),
        "LeadSource": Constant("Partner Referral"),
        "IsEmailBounced": Constant("false"),
    }


def _opportunity(seed: int, spread: Spread) -> dict[str, Column]:
    return {
        "Name": Digits("Bench Opportunity ", 9),
        "StageName": Constant("Proposal/Price Quote"),
        "Probability": Constant("75.0"),
        "ForecastCategory": Constant("Pipeline"),
        "ForecastCategoryName": Constant("Pipeline"),
        "Amount": Digits("", 6, 7907, seed, ".25", "3"),
        "CloseDate": Day(spread, 90),
        "Type": Choice(("New Customer", "New Customer"), seed),
        "NextStep": Constant('Call, then "visit"'),
        "IsPrivate": Constant("false"),
        "IsClosed": Constant("false"),
        "IsWon": Constant("false"),
        "HasOpportunityLineItem": Constant("false"),
        "HasOpenActivity": Constant("false"),
        "HasOverdueTask": Constant("false"),
    }
