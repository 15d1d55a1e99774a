"""The worker as herald: notices go to the operator's channels, at least once, never all at once.

1. spread: each new notice gets one delivery per channel that wants it;
2. summaries: a channel that wants a digest of syncs, or the finance summary of audits, gets one per span and tenant;
3. deliver: what is due is marked as tried, sent, and closed; what cannot be sent is tried again, ten times.

Who wants what, and what a notice says, stands in `sync_herald` and `audit_herald`. Ids, numbers and times are written,
nothing else: a text is made when it is sent, and kept nowhere.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, LiteralString, TypeVar
from uuid import UUID

from isthmus.db.database import Arguments, Database
from isthmus.db.storable import UserText
from isthmus.notices.channels import Channel
from isthmus.notices.model import Delivery, Notice
from isthmus.notices.sending import Sender, Sent

HERALD_TICK_S: Final = 5.0
ATTEMPTS_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class NewNotice:
    """A notice that no channel has been chosen for yet: a row of `notices_to_spread`."""

    tenant_id: UUID
    tenant_name: str
    notice_id: UUID
    kind: str


New = TypeVar("New", bound=NewNotice)
Due = TypeVar("Due", bound=Delivery)


class Herald(ABC, Generic[New, Due]):
    """Who tells of one subject. Each subject's `schema` has the five functions that are called here.

    `new` and `due`: the rows of `notices_to_spread` and `take_deliveries`. Up to `at_most` of them are taken in a tick,
    and `together` are sent at the same time.
    """

    schema: LiteralString
    new: type[New]
    due: type[Due]
    at_most: int
    together: int

    def __init__(self, database: Database, sender: Sender, public_url: str) -> None:
        """Tell by `sender`, with links to the portal at `public_url`."""
        self.database = database
        self.sender = sender
        self.public_url = public_url

    @abstractmethod
    def wants(self, channel: Channel, notice: New) -> bool:
        """Whether a channel that serves the notice's tenant is told."""

    @abstractmethod
    def summary(self, channel: Channel, now: datetime) -> Arguments | None:
        """Return the span of a channel's latest summary, and what else `begin_summary` takes; None if it wants none."""

    @abstractmethod
    async def text(self, delivery: Due, channel: Channel) -> Notice:
        """Return what is sent."""

    async def tick(self) -> bool:
        """Do once what is due. Several workers may: each delivery is taken by one at a time."""
        await self.spread()
        await self.begin_summaries()
        await self.deliver()
        return False

    async def spread(self) -> int:
        """Choose the channels of new notices; return how many there were."""
        async with self.database.system() as tx:
            arguments: Arguments = {"at_most": self.at_most}
            found = await tx.call(f"{self.schema}.notices_to_spread", row=self.new, arguments=arguments)
            for notice in found:
                keys = [
                    channel.key
                    for channel in self.sender.channels.channels
                    if self.wants(channel, notice) and channel.serves(str(notice.tenant_id), notice.tenant_name)
                ]
                arguments = {"tenant": notice.tenant_id, "notice": notice.notice_id, "channels": keys}
                await tx.count(f"{self.schema}.spread_notice", arguments=arguments)
        return len(found)

    async def begin_summaries(self) -> int:
        """Make the summaries whose time has come, for each channel and tenant one; return how many."""
        made = 0
        for channel in self.sender.channels.channels:
            wanted = self.summary(channel, self.sender.clock.now())
            if wanted is not None:
                to_whom: Arguments = {"to_channel": channel.key, "only_tenant": UserText(channel.tenant or "")}
                async with self.database.system() as tx:
                    made += await tx.count(f"{self.schema}.begin_summary", arguments={**wanted, **to_whom})
        return made

    async def deliver(self) -> int:
        """Try what is due; return how many were sent."""
        async with self.database.system() as tx:
            function = f"{self.schema}.take_deliveries"
            due = await tx.call(function, row=self.due, arguments={"at_most": self.at_most})
        sent = 0
        for first in range(0, len(due), self.together):
            sent += sum(await asyncio.gather(*map(self._deliver, due[first : first + self.together])))
        return sent

    async def _deliver(self, delivery: Due) -> bool:
        channel = next((each for each in self.sender.channels.channels if each.key == delivery.channel), None)
        result = Sent.REFUSED
        if channel is not None:
            result = await self.sender.send(channel, await self.text(delivery, channel))
        if result is Sent.LATER and delivery.attempts < ATTEMPTS_MAX:
            return False
        arguments: Arguments = {
            "tenant": delivery.tenant_id,
            "notice": delivery.notice_id,
            "to_channel": delivery.channel,
            "sent": result is Sent.OK,
        }
        async with self.database.system() as tx:
            await tx.count(f"{self.schema}.delivery_ended", arguments=arguments)
        return result is Sent.OK
