"""Two orgs that grew apart, and what the target must hold afterwards: worked out here, by a program of its own.

`expected` reads the source through its control port and maps by tables written down here a second time. It imports
nothing of isthmus, so that a misunderstanding there cannot excuse itself here.
"""

from __future__ import annotations

import json
import random
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.orgsim import Orgsim, start_orgsim

ADMIN = "admin@uat.example.com"
KEY = "SwiftPort_Source_Id__c"
PEOPLE = ("ada", "bob", "cyd", "dan")
"""Of these the target knows ada and bob by e-mail; cyd is inactive there, dan unknown."""
QUEUE = "Second_Line"
Row = Mapping[str, Any]


def _field(name: str, kind: str, **more: object) -> dict[str, object]:
    return {"name": name, "label": name.removesuffix("__c"), "type": kind, "custom": name.endswith("__c"), **more}


def _lookup(name: str, parent: str) -> dict[str, object]:
    relationship = name.replace("__c", "__r") if name.endswith("__c") else name.removesuffix("Id")
    return _field(name, "reference", length=18, referenceTo=[parent], relationshipName=relationship)


def _closed(name: str, *values: str) -> dict[str, object]:
    entries = [{"value": value, "label": value, "active": True, "defaultValue": False} for value in values]
    return _field(name, "picklist", length=255, restrictedPicklist=True, picklistValues=entries)


def _object(name: str, prefix: str, *fields: dict[str, object]) -> dict[str, object]:
    fixed = {"createable": False, "updateable": False, "nillable": False}
    own = (
        _field("Id", "id", length=18, idLookup=True, **fixed),
        _field("IsDeleted", "boolean", **fixed),
        _field("Name", "string", length=80, nameField=True, nillable=False),
        _field("OwnerId", "reference", length=18, referenceTo=["User"], relationshipName="Owner", nillable=False,
               defaultedOnCreate=True),
        _field("CreatedDate", "datetime", **fixed),
        _field("LastModifiedDate", "datetime", **fixed),
        _field("SystemModstamp", "datetime", **fixed),
    )  # fmt: skip
    flags = dict.fromkeys(
        ("createable", "updateable", "queryable", "deletable", "undeletable", "retrieveable", "replicateable"), True
    )
    children = [{"childSObject": child, "field": "WhatId"} for child in ("Task", "Event")]
    label = name.removesuffix("__c")
    return {"name": name, "label": label, "labelPlural": f"{label}s", "keyPrefix": prefix, "custom": True, **flags,
            "childRelationships": children, "fields": [*own, *fields]}  # fmt: skip


_TYPED = {"name": "Case", "fields": [_lookup("RecordTypeId", "RecordType")]}
SOURCE_SCHEMA = (
    _TYPED,
    _object(
        "Invoice__c", "a07",
        _lookup("Account__c", "Account"), _lookup("Opportunity__c", "Opportunity"),
        _field("Amount__c", "currency", precision=18, scale=2), _field("Due_Date__c", "date"),
        _closed("Status__c", "open", "paid", "void"),
    ),
    {"name": "Account", "fields": [_closed("Tier__c", "gold", "silver", "bronze"),
                                   _field("Region__c", "string", length=40)]},
    {"name": "Contact", "fields": [_field("Wants_Mail__c", "boolean", nillable=False)]},
    {"name": "Opportunity", "fields": [_field("Contract_Code__c", "string", length=30)]},
)  # fmt: skip
TARGET_SCHEMA = (
    _TYPED,
    _object(
        "Bill__c", "a02",
        _lookup("Customer__c", "Account"), _lookup("Deal__c", "Opportunity"),
        _field("Total__c", "double", precision=16, scale=2), _field("Due_On__c", "date"),
        _closed("State__c", "Unpaid", "Settled", "Unknown"),
    ),
    {"name": "Account", "fields": [_closed("Segment__c", "A", "B", "C"),
                                   _field("Territory__c", "textarea", length=255),
                                   _closed("Origin__c", "acquired", "own")]},
    {"name": "Contact", "fields": [_field("Newsletter__c", "boolean", nillable=False)]},
    {"name": "Opportunity", "fields": [_field("Deal_Code__c", "string", length=40)]},
)  # fmt: skip


@contextmanager
def two_schemas(folder: Path) -> Generator[tuple[Orgsim, Orgsim]]:
    """Start a source and a target whose schemas, people and record types differ."""
    for side, schema in (("source", SOURCE_SCHEMA), ("target", TARGET_SCHEMA)):
        (folder / side).mkdir()
        for describe in schema:
            (folder / side / f"{describe['name']}.describe.json").write_text(json.dumps(describe))
    with (
        start_orgsim(name="bought", more=["--load", str(folder / "source")]) as source,
        start_orgsim(name="uat", seed=2, more=["--load", str(folder / "target")]) as target,
    ):
        yield source, target


def person(org: Orgsim, name: str, *, username: str | None = None, active: bool = True) -> str:
    """Add a user whose e-mail is the name's in both orgs; return the id."""
    row = {
        "Username": username or f"{name}@{org.ready['name']}.example",
        "Email": f"{name}@example.com",
        "LastName": name,
        "Alias": name,
        "IsActive": active,
    }
    return org.add_rows("User", [row])[0]


def record_types(org: Orgsim, **names: tuple[str, ...]) -> None:
    """Add record types by object and developer name."""
    rows = [
        {"SobjectType": kind, "DeveloperName": name, "Name": name.replace("_", " "), "IsActive": True}
        for kind, developer_names in names.items()
        for name in developer_names
    ]
    org.add_rows("RecordType", rows)


def _queue(org: Orgsim) -> str:
    return org.add_rows("Group", [{"Name": "Second line", "DeveloperName": QUEUE, "Type": "Queue"}])[0]


def _target_people(target: Orgsim) -> None:
    _queue(target)
    person(target, "Ada")
    person(target, "bob")
    person(target, "cyd", active=False)
    person(target, "boss", username=ADMIN)


def populate(source: Orgsim, target: Orgsim, *, rows: int = 40, seed: int = 7) -> None:
    """Put people, record types and `rows` accounts with everything around them where they belong."""
    rng = random.Random(seed)
    record_types(source, Account=("Key_Account", "Small"), Case=("Bug", "Question"))
    record_types(target, Account=("Enterprise", "Standard"), Case=("Incident", "Request"))
    owners = [person(source, name) for name in PEOPLE]
    queue = _queue(source)
    _target_people(target)
    types = {(row["SobjectType"], row["DeveloperName"]): row["Id"] for row in source.rows("RecordType")}

    def some(values: list[str]) -> str | None:
        return rng.choice(values) if rng.random() < 0.8 else None

    accounts = source.add_rows("Account", [
        {"Name": f"Account {n}", "AccountNumber": f"{n:05d}", "Phone": f"555-01{n % 100:02d}", "BillingCity": "Łódź",
         "BillingStreet": f"{n} High St\nFloor 2", "BillingCountry": "PL", "AnnualRevenue": n * 1000,
         "Industry": rng.choice(["Energy", "Banking", None]), "Tier__c": rng.choice(["gold", "silver", "bronze", None]),
         "Region__c": rng.choice(["north", 'a "quoted", one', None]), "Description": rng.choice(["#N/A", "x\r\ny", None]),
         "OwnerId": rng.choice(owners), "RecordTypeId": types["Account", rng.choice(["Key_Account", "Small"])]}
        for n in range(rows)])  # fmt: skip
    for n in range(1, rows, 4):
        source.control("PATCH", f"/rows/Account/{accounts[n]}", {"ParentId": accounts[n - 1]})
    contacts = source.add_rows("Contact", [
        {"FirstName": rng.choice(["Zoë", None]), "LastName": f"Person {n}", "Email": f"p{n}@example.com", "Title": "CEO",
         "Birthdate": "1980-02-29", "AccountId": some(accounts), "Wants_Mail__c": n % 3 == 0,
         "OwnerId": rng.choice(owners)}
        for n in range(rows)])  # fmt: skip
    source.control("PATCH", f"/rows/Contact/{contacts[0]}", {"ReportsToId": contacts[-1]})
    deals = source.add_rows("Opportunity", [
        {"Name": f"Deal {n}", "StageName": rng.choice(["Prospecting", "Value Proposition", "Closed Won"]),
         "CloseDate": "2026-12-31", "Amount": n * 10.25, "AccountId": some(accounts), "OwnerId": rng.choice(owners),
         "Contract_Code__c": f"C{n}"}
        for n in range(rows)])  # fmt: skip
    invoices = source.add_rows("Invoice__c", [
        {"Name": f"I-{n}", "Account__c": some(accounts), "Opportunity__c": some(deals), "Amount__c": n + 0.5,
         "Due_Date__c": "2027-01-31", "Status__c": rng.choice(["open", "paid", "void", None]),
         "OwnerId": rng.choice(owners)}
        for n in range(rows)])  # fmt: skip
    cases = source.add_rows("Case", [
        {"Subject": f"Case {n}", "Description": "it\nbroke", "Status": rng.choice(["New", "Escalated", "Closed"]),
         "Priority": "High", "Origin": "Web", "AccountId": some(accounts), "ContactId": some(contacts),
         "OwnerId": rng.choice([*owners, queue]), "RecordTypeId": types["Case", rng.choice(["Bug", "Question"])]}
        for n in range(rows)])  # fmt: skip
    source.control("PATCH", f"/rows/Case/{cases[3]}", {"ParentId": cases[7]})
    leads = source.add_rows("Lead", [{"LastName": "Lead", "Company": "Someone"}])
    campaigns = ["701AA000000001AAA"]
    whats, whos = [*accounts, *deals, *invoices, *cases, *campaigns], [*contacts, *leads]
    source.add_rows("Task", [
        {"Subject": f"Call {n}", "ActivityDate": "2026-11-30", "Status": rng.choice(["Not Started", "Deferred"]),
         "Priority": "Low", "Description": rng.choice([None, 'say "hi"']), "WhoId": some(whos),
         "WhatId": some(whats), "OwnerId": rng.choice(owners)}
        for n in range(rows * 2)])  # fmt: skip
    source.add_rows("Event", [
        {"Subject": f"Meet {n}", "StartDateTime": "2026-11-30T09:00:00.000+0000",
         "EndDateTime": "2026-11-30T10:00:00.000+0000", "ActivityDateTime": "2026-11-30T09:00:00.000+0000",
         "DurationInMinutes": 60, "Location": "Żoliborz", "ShowAs": rng.choice(["Busy", "OutOfOffice", "Free"]),
         "WhoId": some(whos), "WhatId": some(whats), "OwnerId": rng.choice(owners)}
        for n in range(rows)])  # fmt: skip


SAME = {
    "Account": "Name AccountNumber Phone BillingStreet BillingCity BillingCountry AnnualRevenue Description",
    "Contact": "FirstName LastName Email Title Birthdate",
    "Opportunity": "Name CloseDate Amount",
    "Bill__c": "Name",
    "Case": "Subject Description Priority Origin",
    "Task": "Subject ActivityDate Priority Description",
    "Event": "Subject StartDateTime EndDateTime Location",
}
RENAMED = {
    "Account": {"Territory__c": "Region__c"},
    "Contact": {"Newsletter__c": "Wants_Mail__c"},
    "Opportunity": {"Deal_Code__c": "Contract_Code__c"},
    "Bill__c": {"Total__c": "Amount__c", "Due_On__c": "Due_Date__c"},
}
VALUES: dict[str, dict[str, tuple[str, dict[str, str]]]] = {
    "Account": {"Segment__c": ("Tier__c", {"gold": "A", "silver": "B", "bronze": "C"}),
                "Industry": ("Industry", {"Energy": "Utilities", "Banking": "Banking"})},
    "Opportunity": {"StageName": ("StageName", {"Prospecting": "Prospecting", "Value Proposition": "Needs Analysis",
                                                "Closed Won": "Closed Won"})},
    "Bill__c": {"State__c": ("Status__c", {"open": "Unpaid", "paid": "Settled", "void": "Unknown"})},
    "Case": {"Status": ("Status", {"New": "New", "Escalated": "Working", "Closed": "Closed"})},
    "Task": {"Status": ("Status", {"Not Started": "Not Started", "Deferred": "Waiting on someone else"})},
    "Event": {"ShowAs": ("ShowAs", {"Busy": "Busy", "Free": "Free", "OutOfOffice": "Busy"})},
}  # fmt: skip
LOOKUPS = {
    "Account": {"ParentId": "ParentId"},
    "Contact": {"AccountId": "AccountId", "ReportsToId": "ReportsToId"},
    "Opportunity": {"AccountId": "AccountId"},
    "Bill__c": {"Customer__c": "Account__c", "Deal__c": "Opportunity__c"},
    "Case": {"AccountId": "AccountId", "ContactId": "ContactId", "ParentId": "ParentId"},
    "Task": {"WhoId": "WhoId", "WhatId": "WhatId"},
    "Event": {"WhoId": "WhoId", "WhatId": "WhatId"},
}
TYPES = {
    "Account": {"Key_Account": "Enterprise", "Small": "Standard"},
    "Case": {"Bug": "Incident", "Question": "Request"},
}
OBJECTS = {name: "Invoice__c" if name == "Bill__c" else name for name in SAME}
"""Each object of the target with the source's it is made from."""


def expected(source: Orgsim) -> dict[str, dict[str, dict[str, object]]]:
    """Return what the target must hold: per object, per source id, the fields with parents as *their* source ids.

    Owners are told by e-mail or queue name, record types by developer name.
    """
    emails = {row["Id"]: row["Email"].casefold() for row in source.rows("User")}
    types = {row["Id"]: row["DeveloperName"] for row in source.rows("RecordType")}
    carried = {row["Id"] for name in OBJECTS.values() for row in source.rows(name)}
    found: dict[str, dict[str, dict[str, object]]] = {}
    for target, name in OBJECTS.items():
        found[target] = {}
        for row in source.rows(name):
            wanted: dict[str, object] = {field: row[field] for field in SAME[target].split()}
            wanted |= {ours: row[theirs] for ours, theirs in RENAMED.get(target, {}).items()}
            for ours, (theirs, values) in VALUES.get(target, {}).items():
                wanted[ours] = None if row[theirs] is None else values[row[theirs]]
            for ours, theirs in LOOKUPS[target].items():
                wanted[ours] = row[theirs] if row[theirs] in carried else None
            if target in TYPES:
                wanted["RecordTypeId"] = TYPES[target][types[row["RecordTypeId"]]]
            wanted["OwnerId"] = _owner(target, row["OwnerId"], emails)
            if target == "Account":
                wanted["Origin__c"] = "acquired"
            found[target][row["Id"]] = wanted
    return found


def _owner(target: str, owner: str, emails: Mapping[str, str]) -> str:
    if owner not in emails:
        return QUEUE
    known = emails[owner] in {"ada@example.com", "bob@example.com"} and target != "Bill__c"
    return emails[owner] if known else "boss@example.com"


def actual(target: Orgsim) -> dict[str, dict[str, dict[str, object]]]:
    """Return what the target holds, in the words of `expected`; a row that was written twice shows under its own id."""
    emails = {row["Id"]: row["Email"].casefold() for row in target.rows("User")}
    groups = {row["Id"]: row["DeveloperName"] for row in target.rows("Group")}
    types = {row["Id"]: row["DeveloperName"] for row in target.rows("RecordType")}
    rows = {name: target.rows(name) for name in OBJECTS}
    keys = {row["Id"]: row[KEY] for each in rows.values() for row in each}
    found: dict[str, dict[str, dict[str, object]]] = {}
    for name, each in rows.items():
        fields = [*SAME[name].split(), *RENAMED.get(name, {}), *VALUES.get(name, {})]
        fields += ["Origin__c"] if name == "Account" else []
        found[name] = {}
        for row in each:
            held: dict[str, object] = {field: row[field] for field in fields}
            held |= {lookup: keys.get(row[lookup], row[lookup]) for lookup in LOOKUPS[name]}
            if name in TYPES:
                held["RecordTypeId"] = types.get(row["RecordTypeId"])
            held["OwnerId"] = emails.get(row["OwnerId"]) or groups.get(row["OwnerId"])
            key = row[KEY] if row[KEY] not in found[name] else row["Id"]
            found[name][key] = held
    return found
