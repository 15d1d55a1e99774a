"""Synthetic snapshots for the audit's tests: small words to say who there is and when they logged in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec

from isthmus.audit.analysis import Analysis, Basis, analyse
from isthmus.audit.collecting.logins import Block
from isthmus.audit.given.contract import ContractItem
from isthmus.audit.given.exemptions import Exemption, resolve
from isthmus.audit.given.history import History
from isthmus.audit.given.options import LicenseThresholds, Thresholds
from isthmus.audit.given.pricebook import price_book
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.model import (
    CollectedMessage,
    LicenseRow,
    LicensesMessage,
    LoginKind,
    LoginRow,
    LoginsMessage,
    PslAssignRow,
    PslAssignsMessage,
    PslRow,
    PslsMessage,
    RequestLine,
    StartedMessage,
    UnknownWordMessage,
    UserRow,
    UsersMessage,
    Vocabulary,
)
from isthmus.audit.snapshot import Snapshot, SnapshotBuilder
from isthmus.audit.view import NO_HISTORY

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CRM = "100000000000001AAA"
PLATFORM = "100000000000002AAA"
HOST = "acme.my.salesforce.com"


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


@dataclass
class Org:
    """An org in the making. `regulars` people log in every working day unless they are left out."""

    host: str = HOST
    now: datetime = NOW
    history_days: float = 180
    licenses: list[LicenseRow] = field(default_factory=list)
    psls: list[PslRow] = field(default_factory=list)
    assigns: list[PslAssignRow] = field(default_factory=list)
    users: list[UserRow] = field(default_factory=list)
    logins: list[LoginRow] = field(default_factory=list)
    unknown: list[UnknownWordMessage] = field(default_factory=list)
    unavailable: tuple[str, ...] = ()
    blind: bool = False
    requests: tuple[RequestLine, ...] = (RequestLine("users", "SELECT Id FROM User", 1, 3),)

    def license(
        self,
        row_id: str = CRM,
        *,
        name: str = "Salesforce",
        key: str = "SFDC",
        total: int = 100,
        used: int | None = None,
        status: str = "Active",
        updated: datetime | None = None,
    ) -> LicenseRow:
        row = LicenseRow(
            id=row_id,
            name=name,
            label=name,
            key=key,
            status=status,
            total=total,
            used=-1 if used is None else used,
            used_updated_at=updated,
        )
        self.licenses.append(row)
        return row

    def meter(self, *, used: int = 300, entitled: int | None = 1000) -> LicenseRow:
        """Add a licence that is paid by the login."""
        name, key = "Customer Community Login", "PID_Customer_Community_Login"
        row = LicenseRow("100LOGIN", name, name, key, "Active", 100, 2, None, entitled, used)
        self.licenses.append(row)
        return row

    def user(
        self,
        name: str,
        *,
        last: float | None = 1,
        created: float = 400,
        seat: str | None = CRM,
        active: bool = True,
        human: Iterable[float] | None = None,
        machine: Iterable[float] = (),
        failed: Iterable[float] = (),
        department: str = "",
        email: str | None = None,
        **more: object,
    ) -> UserRow:
        n = len(self.users) + 1
        slug = name.casefold().replace(" ", ".")
        row = UserRow(
            id=f"005{n:012d}AAA",
            username=f"{slug}@acme.example",
            name=name,
            email=f"{slug}@acme.example" if email is None else email,
            active=active,
            user_type="Standard",
            created_at=ago(created),
            license=seat,
            department=department,
            last_login_at=None if last is None else ago(last),
            **more,
        )
        self.users.append(row)
        if human is None:
            human = [last] if last is not None and last <= self.history_days else []
        for days in human:
            self.login(row, days)
        for days in machine:
            self.login(row, days, LoginKind.MACHINE)
        for days in failed:
            self.login(row, days, success=False)
        return row

    def login(
        self, user: UserRow, days: float, kind: LoginKind = LoginKind.UI, *, success: bool = True, count: int = 1
    ) -> None:
        at = ago(days)
        self.logins.append(LoginRow(user.id, at.date(), kind, success, count, at, at))

    def regulars(self, count: int, seat: str = CRM) -> None:
        """People who are there every day of the history."""
        for i in range(count):
            days = [d + 0.1 for d in range(int(self.history_days))]
            self.user(f"Regular {i}", last=0.1, seat=seat, human=days)

    def psl(
        self,
        row_id: str = "0PL000000000001AAA",
        *,
        key: str = "CpqPsl",
        total: int = 50,
        used: int = 0,
        status: str = "Active",
        permissions: Iterable[str] = (),
    ) -> PslRow:
        row = PslRow(row_id, key, key, key, status, total, used, permissions=tuple(sorted(permissions)))
        self.psls.append(row)
        return row

    def grant(self, user: UserRow, psl: PslRow, days: float) -> PslAssignRow:
        row = PslAssignRow(f"2LA{len(self.assigns) + 1:012d}AAA", user.id, psl.id, ago(days))
        self.assigns.append(row)
        return row

    def snapshot(self) -> Snapshot:
        builder = SnapshotBuilder(self.host)
        builder.take(StartedMessage(self.now))
        if not self.licenses:
            self.license()
        counts = {row.id: sum(1 for u in self.users if u.active and u.license == row.id) for row in self.licenses}
        rows = tuple(msgspec.structs.replace(r, used=counts[r.id]) if r.used < 0 else r for r in self.licenses)
        builder.take(LicensesMessage(rows))
        builder.take(PslsMessage(tuple(self.psls)))
        builder.take(PslAssignsMessage(tuple(self.assigns)))
        builder.take(UsersMessage(tuple(self.users)))
        logins = [] if self.blind else self.logins
        builder.take(LoginsMessage(tuple(logins)))
        for word in self.unknown:
            builder.take(word)
        start = ago(self.history_days) if logins else None
        total = sum(row.count for row in logins)
        builder.take(CollectedMessage(start, total, self.unavailable, self.requests, 42))
        return builder.finish()

    def analyse(
        self,
        *,
        prices: Sequence[CustomerPrice] = (),
        contract: Sequence[ContractItem] = (),
        inactive_days: int = 90,
        headroom: str = "0.05",
        licenses: Sequence[LicenseThresholds] = (),
        exemptions: Sequence[Exemption] = (),
        history: History = NO_HISTORY,
    ) -> Analysis:
        thresholds = Thresholds(inactive_days, headroom=Decimal(headroom), licenses=tuple(licenses))
        snapshot = self.snapshot()
        exempt = resolve(exemptions, snapshot.users)
        return analyse(snapshot, Basis(thresholds, price_book(tuple(prices)), tuple(contract), exempt, history))


def found(analysis: Analysis, rule: str) -> list[str]:
    """Names of the users that a rule found (of grade A to C), or the pools."""
    view = analysis.view
    grants = {g.id: g.user for g in view.snapshot.assigns}
    ids = [grants.get(f.subject_id, f.subject_id) for f in analysis.findings if f.rule == rule]
    return sorted(view.users[i].name if i in view.users else i for i in ids)


def graded(analysis: Analysis, rule: str, name: str) -> str:
    view = analysis.view
    grants = {g.id: g.user for g in view.snapshot.assigns}
    for f in analysis.findings:
        user = view.users.get(grants.get(f.subject_id, f.subject_id))
        if f.rule == rule and user is not None and user.name == name:
            return f.grade.value
    raise AssertionError(f"{rule} did not find {name}")


def example(seats: int = 30) -> Org:
    """A small company in which every rule finds something."""
    org = Org()
    org.license(total=seats + 20)
    org.license(PLATFORM, name="Salesforce Platform", key="AUL", total=3, used=4)
    org.regulars(seats)
    org.user("Nora Never", last=None, created=200)
    org.user("Fresh Fred", last=None, created=10)
    org.user("Dora Dormant", last=300)
    org.user("Ivan Inactive", last=130, human=[130, 131, 132])
    org.user("Bea Borderline", last=100, human=[100, 101])
    org.user("Quentin Quarter", last=95, human=[95, 170])
    for i in range(4):
        org.user(f"Platform {i}", seat=PLATFORM, last=2)
    gone = org.user("Gone Gil", active=False, last=50)
    psl = org.psl(used=2)
    org.grant(gone, psl, 100)
    org.grant(next(u for u in org.users if u.name == "Ivan Inactive"), psl, 60)
    return org


__all__ = ["CRM", "HOST", "NOW", "PLATFORM", "Org", "Vocabulary", "ago", "date", "example", "found", "graded"]


def rows_of(block: Block) -> list[LoginRow]:
    """Return the rows of a block that was read."""
    return [row for packed in block.packed for row in msgspec.json.decode(packed, type=list[LoginRow])]
