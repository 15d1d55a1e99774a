"""The pools and grants of the labelled population: what each rule about them should find, and near misses."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import msgspec

from isthmus.audit.given.history import SeenDeactivated
from isthmus.audit.model import LicenseRow
from tests.unit.audit.world import NOW, Org, ago

CHATTER: Final = "100000000000005AAA"
WIDE: Final = ("ApiEnabled", "EditTask", "RunFlow")
NARROW: Final = ("EditTask", "RunFlow")
ACROSS: Final = ("EditTask", "ManageQuotas")
POOLS: Final = (  # rule, licence's name and key, total, used, status, logins bought and used
    ("R16", "Salesforce Platform One", "AUL1", 100, 60, "Active", None),
    ("R17", "Platform Light", "AUL_LIGHT", 84, 80, "Active", None),  # four free seats are headroom, no surplus
    ("", "Gold Partner", "PID_STRATEGIC_PRM", 9, 8, "Active", None),  # one free seat is headroom; 89 % are used
    ("R17", "One App", "FDC_ONE", 100, 96, "Active", None),
    ("R18", "App Subscription", "FDC_SUB", 100, 104, "Active", None),
    ("R18", "Content Only", "PID_CONTENT", 0, 3, "Disabled", None),
    ("", "Ideas Only", "PID_IDEAS", 50, 0, "Disabled", None),
    ("R20", "Customer Community Login", "PID_Customer_Community_Login", 10, 2, "Active", (1000, 900)),
    ("R20", "Partner Community Login", "PID_Partner_Community_Login", 10, 2, "Active", (1000, 100)),
    ("", "External Apps Login", "", 10, 2, "Active", (1000, 650)),
)
PSL_POOLS: Final = (  # rule, key, total, used, ends in days
    ("R13", "SoonPsl", 40, 10, 60),
    ("", "LaterPsl", 40, 10, 120),
    ("", "NobodyPsl", 40, 0, 20),
    ("R23", "FullPsl", 40, 38, None),
    ("R23", "OverPsl", 40, 44, None),
    ("", "RoomyPsl", 40, 20, None),
)


@dataclass
class Expected:
    """Subjects by rule that are true."""

    of: dict[str, set[str]] = field(default_factory=dict)
    deactivated: list[SeenDeactivated] = field(default_factory=list)

    def add(self, rule: str, subject: str) -> None:
        if rule:
            self.of.setdefault(rule, set()).add(subject)


def add_pools(org: Org, rng: random.Random) -> Expected:
    """Add pools that a rule should find, near misses, pairs of grants, wrong bases, and people seen deactivated."""
    expected = Expected()
    for number, (rule, name, key, total, used, status, logins) in enumerate(POOLS):
        id_ = f"1000000000001{number:02d}AAA"
        entitled, spent = logins or (None, None)
        org.licenses.append(LicenseRow(id_, name, name, key, status, total, used, None, entitled, spent))
        expected.add(rule, id_)
    for number, (rule, key, total, used, ends) in enumerate(PSL_POOLS):
        row = org.psl(f"0PL0000000001{number:02d}AAA", key=key, total=total, used=used)
        if ends is not None:
            org.psls[-1] = msgspec.structs.replace(row, expires_on=(NOW + timedelta(ends)).date())
        expected.add(rule, row.id)
    _pairs(org, rng, expected)
    _wrong_bases(org, expected)
    _deactivated(org, expected)
    return expected


def _pairs(org: Org, rng: random.Random, expected: Expected) -> None:
    people = [user for user in org.users if user.active]
    rows = {
        kind: org.psl(f"0PL00000000020{n}AAA", key=f"Pair{n}Psl", total=9_999, used=5_000, permissions=permissions)
        for n, (kind, permissions) in enumerate((("wide", WIDE), ("narrow", NARROW), ("across", ACROSS)))
    }
    for user in rng.sample(people, k=min(90, len(people))):
        held = rng.sample(sorted(rows), k=rng.randrange(1, 4))
        for kind in held:
            # Granted long ago, to people who came since: no other rule is concerned.
            grant = org.grant(user, rows[kind], 900)
            if kind == "narrow" and "wide" in held:
                expected.add("R14", grant.id)


def _wrong_bases(org: Org, expected: Expected) -> None:
    org.license(CHATTER, name="Chatter Free", key="", total=500)
    psl = org.psl("0PL000000000300AAA", key="BasePsl", total=9_999, used=60)
    for n in range(12):
        expected.add("R24", org.grant(org.user(f"chat{n}w", seat=CHATTER, last=1, human=()), psl, 900).id)


def _deactivated(org: Org, expected: Expected) -> None:
    for n in range(20):
        last = 3.0 if n < 8 else 40.0
        gone = org.user(f"off{n}v", active=False, last=last, human=[last])
        expected.deactivated.append(SeenDeactivated(gone.id, ago(20)))
        if n < 8:
            expected.add("R22", gone.id)
