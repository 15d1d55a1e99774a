"""The herald of syncs: trouble and its end, what is unusual about a run, and digests.

Texts are made in `sync.telling` of counts, codes and names.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from isthmus.db.database import Arguments
from isthmus.notices.channels import Channel
from isthmus.notices.model import Notice
from isthmus.sync.telling.alerting import NoticeKind
from isthmus.sync.telling.telling import (
    DeliveryFacts,
    DigestRow,
    anomaly_notice,
    digest_notice,
    digest_span,
    run_notice,
)
from isthmus.worker.herald import Herald, NewNotice

_EVENT: Final = {NoticeKind.REMINDER.value: "failure"}


class SyncHerald(Herald[NewNotice, DeliveryFacts]):
    """Who tells of syncs."""

    schema = "sync"
    new = NewNotice
    due = DeliveryFacts
    at_most = 20
    together = 20

    def wants(self, channel: Channel, notice: NewNotice) -> bool:
        """Whether the kind is among the channel's events."""
        return _EVENT.get(notice.kind, notice.kind) in channel.events

    def summary(self, channel: Channel, now: datetime) -> Arguments | None:
        """Return the span of the latest digest."""
        if channel.digest is None:
            return None
        span = digest_span(channel.digest, channel.zone, now)
        return {"span_start": span.since, "span_end": span.until}

    async def text(self, delivery: DeliveryFacts, channel: Channel) -> Notice:
        """Return what is sent; a digest's rows are read now."""
        if delivery.kind == NoticeKind.ANOMALY:
            return anomaly_notice(delivery, self.public_url)
        if delivery.kind != NoticeKind.DIGEST:
            return run_notice(delivery, self.public_url, channel.zone)
        async with self.database.system() as tx:
            rows = await tx.call(
                "sync.digest_rows",
                row=DigestRow,
                arguments={"tenant": delivery.tenant_id, "span_start": delivery.since, "span_end": delivery.until},
            )
        return digest_notice(delivery, rows, self.public_url, channel.zone)
