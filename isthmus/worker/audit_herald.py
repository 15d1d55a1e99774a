"""The herald's part for audits: the same steps as `worker.herald`, one delivery at a time because of the documents.

Documents come through definer functions that give them out only while a delivery of their notice is under way.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString
from uuid import UUID

from isthmus.audit.cadence.change import ToldReport, told_report, told_summary
from isthmus.audit.cadence.telling import (
    AuditDelivery,
    Month,
    Told,
    failure_notice,
    finance_notice,
    finance_span,
    result_notice,
)
from isthmus.db.database import Database
from isthmus.db.errors import DatabaseError
from isthmus.db.storable import Storable, UserText
from isthmus.journal import Journal
from isthmus.notices.channels import Channel, ChannelKind
from isthmus.notices.model import Notice
from isthmus.notices.sending import Sender, Sent
from isthmus.values import Secret

AUDIT_HERALD_TICK_S: Final = 5.0
AT_ONCE_MAX: Final = 10
ATTEMPTS_MAX: Final = 10
_DOCUMENTS: Final[dict[str, str]] = {"pdf": "report.pdf", "xlsx": "report.xlsx"}


@dataclass(frozen=True, slots=True)
class _Spread:
    tenant_id: UUID
    tenant_name: str
    notice_id: UUID
    kind: str
    alias: str
    scheduled: bool


@dataclass(frozen=True, slots=True)
class _Done:
    spread: UUID


@dataclass(frozen=True, slots=True)
class _Ended:
    ended: UUID


@dataclass(frozen=True, slots=True)
class _Begun:
    notice_id: UUID


@dataclass(frozen=True, slots=True)
class _Content:
    content: bytes


@dataclass(frozen=True, slots=True)
class _FinanceRow:
    alias: str
    taken_at: datetime
    line: str | None
    latest: UUID | None


def wants(channel: Channel, kind: str, alias: str, *, scheduled: bool) -> bool:
    """Whether a channel is told of an audit's end. Failures and recoveries also go to those who want every failure."""
    if channel.audit.orgs and alias not in channel.audit.orgs:
        return False
    if not scheduled and not channel.audit.manual and kind != "recovery":
        return False
    return ("audit" in channel.events and channel.audit.results) or kind in channel.events


@dataclass(frozen=True, slots=True)
class AuditHerald:
    """What tells of audits."""

    database: Database
    sender: Sender
    public_url: str

    async def spread(self) -> int:
        """Choose the channels of new notices; return how many there were."""
        async with self.database.system() as tx:
            found = await tx.call("audit.notices_to_spread", row=_Spread, arguments={"at_most": AT_ONCE_MAX})
            for notice in found:
                keys = [
                    channel.key
                    for channel in self.sender.channels.channels
                    if wants(channel, notice.kind, notice.alias, scheduled=notice.scheduled)
                    and channel.serves(str(notice.tenant_id), notice.tenant_name)
                ]
                await tx.call(
                    "audit.spread_notice",
                    row=_Done,
                    arguments={"tenant": notice.tenant_id, "notice": notice.notice_id, "channels": keys},
                )
        return len(found)

    async def begin_finance(self) -> int:
        """Make the finance summaries whose day has come; return how many."""
        made = 0
        for channel in self.sender.channels.channels:
            if channel.audit.monthly is None:
                continue
            span = finance_span(channel.audit.monthly, channel.zone, self.sender.clock.now())
            async with self.database.system() as tx:
                begun = await tx.call(
                    "audit.begin_finance",
                    row=_Begun,
                    arguments={
                        "for_channel": channel.key,
                        "span_start": span.since,
                        "span_end": span.until,
                        "only_tenant": UserText(channel.tenant or ""),
                        "only_orgs": _orgs(channel),
                    },
                )
            made += len(begun)
        return made

    async def deliver(self) -> int:
        """Try what is due; return how many were sent."""
        async with self.database.system() as tx:
            due = await tx.call("audit.take_deliveries", row=AuditDelivery, arguments={"at_most": AT_ONCE_MAX})
        return sum([await self._deliver(facts) for facts in due])

    async def _deliver(self, facts: AuditDelivery) -> bool:
        channel = next((each for each in self.sender.channels.channels if each.key == facts.channel), None)
        result = Sent.REFUSED if channel is None else await self.sender.send(channel, await self._made(facts, channel))
        if result is Sent.LATER and facts.attempts < ATTEMPTS_MAX:
            return False
        arguments: dict[LiteralString, Storable | Secret] = {
            "tenant": facts.tenant_id,
            "notice": facts.notice_id,
            "to_channel": facts.channel,
            "sent": result is Sent.OK,
        }
        async with self.database.system() as tx:
            await tx.call("audit.delivery_ended", row=_Ended, arguments=arguments)
        return result is Sent.OK

    async def _made(self, facts: AuditDelivery, channel: Channel) -> Notice:
        if facts.kind == "failure":
            return failure_notice(facts, self.public_url, channel.zone)
        if facts.kind == "finance":
            return finance_notice(facts, await self._months(facts, channel), self.public_url, channel.zone)
        now, was = await self._report(facts, previous=False), await self._report(facts, previous=True)
        files: dict[str, bytes] = {}
        for kind in channel.audit.attach if channel.kind is ChannelKind.MAIL else ():
            content = await self._document(facts, _DOCUMENTS[kind], previous=False)
            if content is not None:
                files[_DOCUMENTS[kind]] = content
        return result_notice(facts, Told(now, was, files), self.public_url, channel.zone)

    async def _report(self, facts: AuditDelivery, *, previous: bool) -> ToldReport | None:
        content = await self._document(facts, "report.json", previous=previous)
        return None if content is None else await asyncio.to_thread(told_report, content)

    async def _document(self, facts: AuditDelivery, name: str, *, previous: bool) -> bytes | None:
        async with self.database.system() as tx:
            found = await tx.call(
                "audit.notice_document",
                row=_Content,
                arguments={
                    "tenant": facts.tenant_id,
                    "notice": facts.notice_id,
                    "wanted": UserText(name),
                    "previous": previous,
                },
            )
        return bytes(found[0].content) if found else None

    async def _months(self, facts: AuditDelivery, channel: Channel) -> list[Month]:
        async with self.database.system() as tx:
            rows = await tx.call(
                "audit.finance_rows",
                row=_FinanceRow,
                arguments={"tenant": facts.tenant_id, "notice": facts.notice_id, "only_orgs": _orgs(channel)},
            )
        months: list[Month] = []
        for row in rows:
            report = None if row.latest is None else await self._finance_report(facts, row.latest)
            months.append(Month(row.alias, row.taken_at, told_summary(row.line), report))
        return months

    async def _finance_report(self, facts: AuditDelivery, audit: UUID) -> ToldReport | None:
        async with self.database.system() as tx:
            found = await tx.call(
                "audit.finance_report",
                row=_Content,
                arguments={"tenant": facts.tenant_id, "notice": facts.notice_id, "audit": audit},
            )
        return await asyncio.to_thread(told_report, bytes(found[0].content)) if found else None


async def audit_herald_until(stop: asyncio.Event, herald: AuditHerald, journal: Journal) -> None:
    """Tell of audits until `stop` is set, beside the notices of syncs: a mail with documents may take its time."""
    while not stop.is_set():
        try:
            await herald.spread()
            await herald.begin_finance()
            await herald.deliver()
        except DatabaseError as error:
            journal.unexpected(error)
        try:
            async with asyncio.timeout(AUDIT_HERALD_TICK_S):
                await stop.wait()
        except TimeoutError:
            continue


def _orgs(channel: Channel) -> UserText:
    return UserText(",".join(sorted(channel.audit.orgs)))
