"""Accounts in hierarchies, contacts, opportunities, and some leads, cases, tasks and events."""
# ruff: noqa: RUF001  # letters of other scripts and look-alikes are what this data is for

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from orgsim.generate.people import (
    COMPANY_FORMS,
    COMPANY_KINDS,
    COMPANY_STEMS,
    COMPANY_WHOLE,
    NOTES,
    Region,
    ascii_name,
    person,
    phone,
)
from orgsim.generate.world import World
from orgsim.store.results import Value

DEMO_ROWS: Final[Mapping[str, int]] = {
    "Account": 2000, "Contact": 6000, "Opportunity": 3000, "Lead": 400, "Case": 300, "Task": 250, "Event": 150,
}  # fmt: skip

HIERARCHY_DEPTH_MAX: Final = 5
_CHILD_CHANCE: Final = 0.28
_NO_ACCOUNT_CHANCE: Final = 0.06
_LONG_TEXT_CHARACTERS: Final = 20_000
_LONG_TEXT_EVERY: Final = 700
_YEARS: Final = 5
_DEALS: Final = ("renewal", "new business", "add-on", "pilot, phase 2")
_NEXT_STEPS: Final = ("Call, then visit", "Angebot prüfen", "次回訪問", 'wait for "go"')

# Stage: probability, forecast category, its name, closed, won; as a new org defines them.
_STAGES: Final[Mapping[str, tuple[float, str, str, bool, bool]]] = {
    "Prospecting": (10.0, "Pipeline", "Pipeline", False, False),
    "Qualification": (10.0, "Pipeline", "Pipeline", False, False),
    "Needs Analysis": (20.0, "Pipeline", "Pipeline", False, False),
    "Value Proposition": (50.0, "Pipeline", "Pipeline", False, False),
    "Proposal/Price Quote": (75.0, "Pipeline", "Pipeline", False, False),
    "Negotiation/Review": (90.0, "Pipeline", "Pipeline", False, False),
    "Closed Won": (100.0, "Closed", "Closed", True, True),
    "Closed Lost": (0.0, "Omitted", "Omitted", True, False),
}


@dataclass(slots=True)
class _Book:
    """The accounts and contacts made so far, and who may own rows."""

    owners: Sequence[str]
    accounts: list[str] = field(default_factory=list[str])
    depths: list[int] = field(default_factory=list[int])
    contacts: list[tuple[str, str | None]] = field(default_factory=list[tuple[str, "str | None"]])


def add_business_rows(world: World, counts: Mapping[str, int], *, owners: Sequence[str]) -> None:
    """Add exactly `counts` rows per object; parents refer to rows made here, never in a circle."""
    book = _Book(owners)
    makers = {
        "Account": _account, "Contact": _contact, "Opportunity": _opportunity, "Lead": _lead, "Case": _case,
        "Task": _task, "Event": _event,
    }  # fmt: skip
    for name, make in makers.items():
        for place in range(counts.get(name, 0)):
            make(world, book, place)


def _pick(world: World, object_name: str, field_name: str, chance: float = 1.0) -> str | None:
    definition = world.org.objects[object_name.lower()].field(field_name)
    if definition is None or world.rng.random() > chance:
        return None
    return world.rng.choice([entry.value for entry in definition.picklist_values if entry.active])


def _note(world: World, place: int, chance: float) -> str | None:
    if place % _LONG_TEXT_EVERY == _LONG_TEXT_EVERY - 1:
        return ("Long text, part after part. ÄÖÜ 漢字 🙂 " * 1000)[:_LONG_TEXT_CHARACTERS].strip()
    return world.rng.choice(NOTES) if world.rng.random() < chance else None


def _past(world: World, years: int = _YEARS) -> tuple[datetime, datetime]:
    """Draw when a row was made and when it was last changed."""
    made = world.now - timedelta(seconds=world.rng.randrange(3600, years * 365 * 86_400))
    changed = made + (world.now - timedelta(minutes=30) - made) * world.rng.random() ** 2
    return made, max(made, changed)


def _owner(world: World, book: _Book) -> str:
    return world.rng.choice(book.owners)


def _place(world: World, region: Region, prefix: str, chance: float) -> dict[str, Value]:
    rng = world.rng
    if rng.random() > chance:
        return {}
    city, state, postal = rng.choice(region.cities)
    values: dict[str, Value] = {
        f"{prefix}Street": rng.choice(region.streets), f"{prefix}City": city, f"{prefix}State": state,
        f"{prefix}PostalCode": postal, f"{prefix}Country": region.country,
    }  # fmt: skip
    if rng.random() < 0.2:
        values[f"{prefix}Latitude"] = round(rng.uniform(-60, 70), 6)
        values[f"{prefix}Longitude"] = round(rng.uniform(-180, 180), 6)
    return values


def _account(world: World, book: _Book, place: int) -> None:
    rng = world.rng
    region = person(rng)[0]
    if place % 40 == 39:
        name = COMPANY_WHOLE[place // 40 % len(COMPANY_WHOLE)]
    else:
        name = f"{rng.choice(COMPANY_STEMS)} {rng.choice(COMPANY_KINDS)} {rng.choice(COMPANY_FORMS)}"
    parent = _parent(world, book)
    made, changed = _past(world)
    values: dict[str, Value] = {
        "Name": name if place % 3 else f"{name} {place}",
        "ParentId": None if parent is None else book.accounts[parent],
        "OwnerId": _owner(world, book),
        "Type": _pick(world, "Account", "Type", 0.8),
        "Industry": _pick(world, "Account", "Industry", 0.7),
        "Rating": _pick(world, "Account", "Rating", 0.4),
        "Ownership": _pick(world, "Account", "Ownership", 0.3),
        "AccountSource": _pick(world, "Account", "AccountSource", 0.3),
        "Phone": phone(rng, region) if rng.random() < 0.85 else None,
        "Fax": phone(rng, region) if rng.random() < 0.2 else None,
        "AccountNumber": f"{rng.randrange(10**8):08d}" if rng.random() < 0.5 else None,
        "Website": f"https://{ascii_name(name)[:40]}.example/?q=a,b&r=%22" if rng.random() < 0.6 else None,
        "AnnualRevenue": float(rng.randrange(10_000, 5_000_000_000)) if rng.random() < 0.6 else None,
        "NumberOfEmployees": rng.randrange(1, 90_000) if rng.random() < 0.6 else None,
        "TickerSymbol": rng.choice(("ALDB", "7203.T", "NULL", "TRUE")) if rng.random() < 0.1 else None,
        "Sic": f"{rng.randrange(10_000):04d}" if rng.random() < 0.2 else None,
        "Site": rng.choice(("HQ", "Plant 2", "Süd / Ost", "#N/A - none")) if rng.random() < 0.3 else None,
        "YearStarted": str(rng.randrange(1850, 2025)) if rng.random() < 0.2 else None,
        "Description": _note(world, place, 0.5),
        **_place(world, region, "Billing", 0.8),
        **_place(world, region, "Shipping", 0.35),
    }
    book.accounts.append(world.add("Account", values, created=made, modified=changed))
    book.depths.append(0 if parent is None else book.depths[parent] + 1)


def _parent(world: World, book: _Book) -> int | None:
    """Choose an earlier account that is not too deep; earlier ones only, so that no circle can arise."""
    if len(book.accounts) < 10 or world.rng.random() > _CHILD_CHANCE:
        return None
    candidate = world.rng.randrange(len(book.accounts))
    return candidate if book.depths[candidate] < HIERARCHY_DEPTH_MAX else None


def _contact(world: World, book: _Book, place: int) -> None:
    rng = world.rng
    region, first, last = person(rng)
    account = None if not book.accounts or rng.random() < 0.04 else rng.choice(book.accounts)
    boss = None
    if book.contacts and rng.random() < 0.15:
        boss = rng.choice(book.contacts)[0]
    made, changed = _past(world)
    values: dict[str, Value] = {
        "AccountId": account,
        "FirstName": first if rng.random() < 0.96 else None,
        "LastName": last,
        "Salutation": _pick(world, "Contact", "Salutation", 0.5),
        "OwnerId": _owner(world, book),
        "ReportsToId": boss,
        "Email": f"{ascii_name(first)}.{ascii_name(last)}{place}@contacts.example" if rng.random() < 0.9 else None,
        "Phone": phone(rng, region) if rng.random() < 0.7 else None,
        "MobilePhone": phone(rng, region) if rng.random() < 0.5 else None,
        "Title": rng.choice(("CEO", "VP, Sales", "Einkäufer/in", 'Head of "Things"', "課長", "IT; Ops", "Büroleiter"))
        if rng.random() < 0.7
        else None,
        "Department": rng.choice(("Purchasing", "R&D", "Forschung & Entwicklung", "営業部", "Finance"))
        if rng.random() < 0.5
        else None,
        "AssistantName": "#N/A" if place == 17 else None,
        "LeadSource": _pick(world, "Contact", "LeadSource", 0.5),
        "Birthdate": date(1950, 1, 1) + timedelta(days=rng.randrange(18_000)) if rng.random() < 0.3 else None,
        "Description": _note(world, place, 0.25),
        **_place(world, region, "Mailing", 0.6),
    }
    book.contacts.append((world.add("Contact", values, created=made, modified=changed), account))


def _opportunity(world: World, book: _Book, place: int) -> None:
    rng = world.rng
    stage = rng.choice(tuple(_STAGES))
    probability, category, shown, closed, won = _STAGES[stage]
    made, changed = _past(world, 3)
    closing = (made + timedelta(days=rng.randrange(10, 400))).date()
    amount = round(rng.uniform(100, 900_000), 2) if rng.random() < 0.85 else None
    quarter = (closing.month - 1) // 3 + 1
    values: dict[str, Value] = {
        "Name": f"{rng.choice(COMPANY_STEMS)} – {rng.choice(_DEALS)} {place}",
        "AccountId": None if not book.accounts or rng.random() < _NO_ACCOUNT_CHANCE else rng.choice(book.accounts),
        "OwnerId": _owner(world, book),
        "StageName": stage, "Probability": probability, "ForecastCategory": category, "ForecastCategoryName": shown,
        "IsClosed": closed, "IsWon": won,
        "Amount": amount,
        "ExpectedRevenue": None if amount is None else round(amount * probability / 100, 2),
        "TotalOpportunityQuantity": float(rng.randrange(1, 500)) if rng.random() < 0.3 else None,
        "CloseDate": closing,
        "FiscalYear": closing.year, "FiscalQuarter": quarter, "Fiscal": f"{closing.year} {quarter}",
        "Type": _pick(world, "Opportunity", "Type", 0.7),
        "LeadSource": _pick(world, "Opportunity", "LeadSource", 0.6),
        "NextStep": rng.choice(_NEXT_STEPS) if rng.random() < 0.4 else None,
        "IsPrivate": rng.random() < 0.02,
        "Description": _note(world, place, 0.3),
    }  # fmt: skip
    world.add("Opportunity", values, created=made, modified=changed)


def _lead(world: World, book: _Book, place: int) -> None:
    rng = world.rng
    region, first, last = person(rng)
    made, changed = _past(world, 2)
    values: dict[str, Value] = {
        "FirstName": first, "LastName": last, "Company": f"{rng.choice(COMPANY_STEMS)} {rng.choice(COMPANY_FORMS)}",
        "OwnerId": _owner(world, book), "Status": _pick(world, "Lead", "Status"),
        "Industry": _pick(world, "Lead", "Industry", 0.6), "Rating": _pick(world, "Lead", "Rating", 0.5),
        "LeadSource": _pick(world, "Lead", "LeadSource", 0.8), "Phone": phone(rng, region),
        "Email": f"{ascii_name(first)}.{ascii_name(last)}{place}@leads.example", "Title": "Owner, founder",
        "AnnualRevenue": float(rng.randrange(10**4, 10**8)), "NumberOfEmployees": rng.randrange(1, 5000),
        "Description": _note(world, place, 0.3), "IsUnreadByOwner": rng.random() < 0.5,
        **_place(world, region, "", 0.7),
    }  # fmt: skip
    world.add("Lead", values, created=made, modified=changed)


def _case(world: World, book: _Book, place: int) -> None:
    rng = world.rng
    contact, account = rng.choice(book.contacts) if book.contacts else (None, None)
    made, changed = _past(world, 2)
    status = _pick(world, "Case", "Status")
    closed = status == "Closed"
    values: dict[str, Value] = {
        "CaseNumber": f"{1001 + place:08d}", "ContactId": contact, "AccountId": account,
        "OwnerId": _owner(world, book), "Status": status, "Origin": _pick(world, "Case", "Origin"),
        "Priority": _pick(world, "Case", "Priority"), "Type": _pick(world, "Case", "Type", 0.7),
        "Reason": _pick(world, "Case", "Reason", 0.5), "Subject": f'Question {place}: "how", and why?',
        "Description": _note(world, place, 0.8), "IsClosed": closed, "ClosedDate": changed if closed else None,
    }  # fmt: skip
    world.add("Case", values, created=made, modified=changed)


def _task(world: World, book: _Book, place: int) -> None:
    rng = world.rng
    contact, account = rng.choice(book.contacts) if book.contacts else (None, None)
    made, changed = _past(world, 1)
    status = _pick(world, "Task", "Status")
    priority = _pick(world, "Task", "Priority")
    values: dict[str, Value] = {
        "WhoId": contact, "WhatId": account, "AccountId": account, "OwnerId": _owner(world, book),
        "Subject": rng.choice(("Call", "Send Letter", "Rückruf; dringend")), "Status": status,
        "IsClosed": status == "Completed", "Priority": priority, "IsHighPriority": priority == "High",
        "ActivityDate": (made + timedelta(days=rng.randrange(30))).date(), "Description": _note(world, place, 0.4),
        "TaskSubtype": "Task",
    }  # fmt: skip
    world.add("Task", values, created=made, modified=changed)


def _event(world: World, book: _Book, place: int) -> None:
    rng = world.rng
    contact, account = rng.choice(book.contacts) if book.contacts else (None, None)
    made, changed = _past(world, 1)
    start = (made + timedelta(days=rng.randrange(40))).replace(minute=0, second=0)
    minutes = rng.choice((30, 60, 90))
    values: dict[str, Value] = {
        "WhoId": contact, "WhatId": account, "AccountId": account, "OwnerId": _owner(world, book),
        "Subject": rng.choice(("Meeting", "Call", "Messe – Stand 4")),
        "Location": rng.choice(("Room 1", "会議室", None)),
        "StartDateTime": start, "ActivityDateTime": start, "ActivityDate": start.date(),
        "EndDateTime": start + timedelta(minutes=minutes), "EndDate": (start + timedelta(minutes=minutes)).date(),
        "DurationInMinutes": minutes, "ShowAs": _pick(world, "Event", "ShowAs"), "GroupEventType": "0",
        "EventSubtype": "Event", "Description": _note(world, place, 0.3),
    }  # fmt: skip
    world.add("Event", values, created=made, modified=changed)
