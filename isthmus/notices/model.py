"""What is told to people outside the portal. Whoever makes a notice answers for it: no record's value, no id."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

SUBJECT_CHARS_MAX: Final = 200
ATTACHMENT_BYTES_MAX: Final = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes along by mail; webhooks and chats get its name only."""

    name: str
    media_type: str
    content: bytes

    def __repr__(self) -> str:
        """Show name and size."""
        return f"<Attachment {self.name}, {len(self.content)} bytes>"


@dataclass(frozen=True, slots=True)
class Notice:
    """One message. `text` is complete by itself; `html`, `link` and `facts` (for programs) say the same in other forms.

    `key` tells one notice from another: a mail with the same key is the same mail, sent twice at worst.
    """

    subject: str
    text: str
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    link: str | None = None
    key: str = ""
    event: str = "notice"
    facts: dict[str, str | int | list[dict[str, str | int]]] = field(
        default_factory=dict[str, "str | int | list[dict[str, str | int]]"]
    )


@dataclass(frozen=True, slots=True)
class Span:
    """What a digest or a finance summary covers."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is known of every notice that goes to one channel: a row of `take_deliveries`. A summary covers a span."""

    tenant_id: UUID
    tenant_name: str
    notice_id: UUID
    channel: int
    attempts: int
    kind: str
    made_at: datetime
    since: datetime | None
    until: datetime | None
