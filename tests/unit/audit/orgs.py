"""Orgs in which a report has everything that it can have, and orgs in which it has next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

from isthmus.audit.given.contract import ContractItem
from isthmus.audit.given.exemptions import Exemption, ExemptionKind
from isthmus.audit.given.history import History, PoolPoint, PoolWeek, monday
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.judge import Judged, judge
from isthmus.audit.model import LoginKind, RequestLine
from isthmus.values import Secret
from tests.unit.audit.world import CRM, NOW, PLATFORM, Org, example

REQUESTS = tuple(
    RequestLine(name, f"SELECT {name}", 1, 1)
    for name in (
        "clock",
        "licenses",
        "logins_count",
        "logins_oldest",
        "logins_subtype",
        "psl_assigns",
        "psls",
        "users_verified_portal_features",
    )
)
CONTRACT = (
    ContractItem(
        license="SFDC",
        quantity=45,
        end=date(2027, 1, 31),
        sku="Sales Cloud Enterprise",
        unit_price=Decimal("128.50"),
        start=date(2024, 2, 1),
        notice_days=60,
        uplift_cap=Decimal(7),
        minimum_quantity=20,
        source="Q-00123",
    ),
    ContractItem("SFDC", 5, date(2027, 6, 30), "Service Cloud", auto_renew=False),
    ContractItem("AUL", 3, date(2026, 10, 31), "Platform", Decimal(19), "EUR"),
    ContractItem("CpqPsl", 45, date(2027, 1, 31), "CPQ", Decimal(70), "GBP", minimum_quantity=2),
)
PRICES = (
    CustomerPrice("SFDC", Decimal("128.50"), "USD"),
    CustomerPrice("CpqPsl", Decimal(75), "GBP"),
    CustomerPrice("Salesforce Integration", Decimal(10), "USD"),
    CustomerPrice("Customer Community Login", Decimal(2), "USD"),
    CustomerPrice("Customer Community", Decimal(5), "USD"),
)


def rich() -> Org:
    """`example` with software accounts, a person on two seats, people of few logins, and a licence for integrations."""
    org = example(20)
    org.requests = REQUESTS
    org.license("100000000000003AAA", name="Salesforce Integration", key="", total=5, used=3)
    for n in range(4):
        robot = org.user(f"Robot {n}", last=0.5, machine=[])
        for day in range(60):
            org.login(robot, day + 0.5, LoginKind.MACHINE, count=9)
    org.user("Twin One", last=2, employee_number="77")
    org.user("Twin Two", last=40, employee_number="77")
    for n in range(12):
        org.user(f"Cohort {n}", created=333, last=None if n < 6 else 3)
    org.meter()
    for n in range(3):
        org.user(f"Rare {n}", last=20, human=[20, 50, 80, 110, 140, 170])
    return org


def past(weeks: int = 30) -> History:
    """Earlier audits of the same org: its seats for so many weeks, its people for twenty weeks more."""
    today = NOW.date()
    points = [
        PoolPoint(today - timedelta(days=7 * back), pool, total, used - back // 3, 2, 1, 0)
        for back in range(weeks, 0, -1)
        for pool, total, used in ((CRM, 40, 36), (PLATFORM, 3, 4))
    ]
    kept = [
        PoolWeek(monday(today) - timedelta(days=7 * back), pool, people, 1)
        for back in range(weeks + 15, 20, -1)
        for pool, people in ((CRM, 25), (PLATFORM, 3))
    ]
    return History(tuple(points), (), tuple(kept))


def everything() -> Judged:
    leave = Exemption("dora.dormant@acme.example", "parental leave", ExemptionKind.LEAVE, date(2027, 1, 1))
    options = AuditOptions(prices=PRICES, contract=CONTRACT, exemptions=(leave,), history=past())
    return judge(rich().snapshot(), options, "acme")


def plain() -> Judged:
    return judge(rich().snapshot(), AuditOptions(), "acme")


def pseudonymous() -> Judged:
    return judge(rich().snapshot(), AuditOptions(pseudonym_key=Secret(b"k" * 32), contract=CONTRACT), "acme")


def blind() -> Judged:
    org = rich()
    org.blind = True
    return judge(org.snapshot(), AuditOptions(contract=CONTRACT, prices=PRICES), "acme")


def sandbox() -> Judged:
    org = rich()
    org.host = "acme--dev.sandbox.my.salesforce.com"
    return judge(org.snapshot(), AuditOptions(contract=CONTRACT), "acme")


def nobody() -> Judged:
    org = Org(requests=REQUESTS)
    org.license(total=5)
    return judge(org.snapshot(), AuditOptions(), "acme")


def empty() -> Judged:
    org = Org(requests=REQUESTS)
    org.license(total=0, used=0)
    return judge(org.snapshot(), AuditOptions(), "acme")


ORGS: tuple[Callable[[], Judged], ...] = (everything, plain, pseudonymous, blind, sandbox, nobody, empty)
