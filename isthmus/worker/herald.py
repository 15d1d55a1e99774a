"""The worker as herald: notices that runs left behind go to the operator's channels, at least once, never all at once.

1. spread: each new notice gets one delivery per channel that wants it;
2. digest: a channel that wants one gets it once per span and tenant;
3. deliver: what is due is marked as tried, sent, and closed; what cannot be sent is tried again, ten times.

Ids, numbers and times are written, nothing else. What is sent is made in `sync.telling` of counts, codes and names.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, LiteralString
from uuid import UUID

from isthmus.db.database import Database
from isthmus.db.errors import DatabaseError
from isthmus.db.storable import Storable, UserText
from isthmus.journal import Journal
from isthmus.notices.channels import Channel
from isthmus.notices.model import Notice
from isthmus.notices.sending import Sender, Sent
from isthmus.sync.telling.alerting import NoticeKind
from isthmus.sync.telling.telling import (
    DeliveryFacts,
    DigestRow,
    anomaly_notice,
    digest_notice,
    digest_span,
    run_notice,
)
from isthmus.values import Secret

HERALD_TICK_S: Final = 5.0
AT_ONCE_MAX: Final = 20
ATTEMPTS_MAX: Final = 10
_EVENT: Final = {NoticeKind.REMINDER.value: "failure"}


@dataclass(frozen=True, slots=True)
class _Spread:
    tenant_id: UUID
    tenant_name: str
    notice_id: UUID
    kind: str


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
class Herald:
    """What a worker's herald works with."""

    database: Database
    sender: Sender
    public_url: str

    async def spread(self) -> int:
        """Choose the channels of new notices; return how many there were."""
        async with self.database.system() as tx:
            found = await tx.call("sync.notices_to_spread", row=_Spread, arguments={"at_most": AT_ONCE_MAX})
            for notice in found:
                keys = [
                    channel.key
                    for channel in self.sender.channels.channels
                    if _EVENT.get(notice.kind, notice.kind) in channel.events
                    and channel.serves(str(notice.tenant_id), notice.tenant_name)
                ]
                await tx.call(
                    "sync.spread_notice",
                    row=_Done,
                    arguments={"tenant": notice.tenant_id, "notice": notice.notice_id, "channels": keys},
                )
        return len(found)

    async def begin_digests(self) -> int:
        """Make the digests whose time has come; return how many."""
        made = 0
        for channel in self.sender.channels.channels:
            if channel.digest is None:
                continue
            span = digest_span(channel.digest, channel.zone, self.sender.clock.now())
            async with self.database.system() as tx:
                begun = await tx.call(
                    "sync.begin_digest",
                    row=_Begun,
                    arguments={
                        "to_channel": channel.key,
                        "span_start": span.since,
                        "span_end": span.until,
                        "only_tenant": UserText(channel.tenant or ""),
                    },
                )
            made += len(begun)
        return made

    async def deliver(self) -> int:
        """Try what is due; return how many were sent."""
        async with self.database.system() as tx:
            due = await tx.call("sync.take_deliveries", row=DeliveryFacts, arguments={"at_most": AT_ONCE_MAX})
        results = await asyncio.gather(*(self._deliver(facts) for facts in due))
        return sum(results)

    async def _deliver(self, facts: DeliveryFacts) -> bool:
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
            await tx.call("sync.delivery_ended", row=_Ended, arguments=arguments)
        return result is Sent.OK

    async def _made(self, facts: DeliveryFacts, channel: Channel) -> Notice:
        if facts.kind == NoticeKind.ANOMALY:
            return anomaly_notice(facts, self.public_url)
        if facts.kind != NoticeKind.DIGEST:
            return run_notice(facts, self.public_url, channel.zone)
        async with self.database.system() as tx:
            rows = await tx.call(
                "sync.digest_rows",
                row=DigestRow,
                arguments={"tenant": facts.tenant_id, "span_start": facts.since, "span_end": facts.until},
            )
        return digest_notice(facts, rows, self.public_url, channel.zone)


async def herald_until(stop: asyncio.Event, herald: Herald, journal: Journal) -> None:
    """Tell until `stop` is set. Several workers may: each delivery is taken by one at a time."""
    while not stop.is_set():
        try:
            await herald.spread()
            await herald.begin_digests()
            await herald.deliver()
        except DatabaseError as error:
            journal.unexpected(error)
        try:
            async with asyncio.timeout(HERALD_TICK_S):
                await stop.wait()
        except TimeoutError:
            continue
