"""The forms of a notice: mail, Slack message, Teams card, JSON document. Pure functions from notice to bytes."""

from __future__ import annotations

import hmac
import json
import re
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256
from typing import Final

from isthmus.notices.channels import ChannelKind
from isthmus.notices.model import SUBJECT_CHARS_MAX, Notice
from isthmus.values import Secret

SIGNATURE_HEADER: Final = "X-Isthmus-Signature"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def one_line(text: str) -> str:
    """Return `text` as one line without control characters, for headers."""
    return _CONTROL.sub(" ", text).strip()[:SUBJECT_CHARS_MAX]


def mail_of(notice: Notice, sender: str, recipients: tuple[str, ...], now: datetime) -> bytes:
    """Return the mail as it is handed to a server."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address("Isthmus", addr_spec=sender)
    mail["To"] = ", ".join(recipients)
    mail["Subject"] = one_line(notice.subject)
    mail["Date"] = format_datetime(now)
    domain = sender.rpartition("@")[2]
    mail["Message-ID"] = f"<{sha256(f'{notice.key}|{recipients}'.encode()).hexdigest()[:40]}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(notice.text + (f"\n\n{notice.link}\n" if notice.link else "\n"))
    if notice.html is not None:
        mail.add_alternative(notice.html, subtype="html")
    for attachment in notice.attachments:
        main, _, sub = attachment.media_type.partition("/")
        mail.add_attachment(attachment.content, maintype=main, subtype=sub, filename=one_line(attachment.name))
    return mail.as_bytes()


def body_of(notice: Notice, kind: ChannelKind) -> bytes:
    """Return the body of a webhook of that kind."""
    match kind:
        case ChannelKind.SLACK:
            link = f"\n<{notice.link}|Open in Isthmus>" if notice.link else ""
            document: object = {"text": f"*{_slack(one_line(notice.subject))}*\n{_slack(notice.text)}{link}"}
        case ChannelKind.TEAMS:
            document = {
                "type": "message",
                "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": _card(notice)}],
            }
        case _:
            document = {
                "event": notice.event,
                "subject": one_line(notice.subject),
                "text": notice.text,
                "link": notice.link,
                "key": notice.key,
                "attachments": [attachment.name for attachment in notice.attachments],
                **notice.facts,
            }
    return json.dumps(document, ensure_ascii=False).encode()


def signature(body: bytes, secret: Secret) -> str:
    """Return the value of the signature header: whoever knows the secret can tell that the body is ours."""
    return "sha256=" + hmac.new(secret.reveal(), body, sha256).hexdigest()


def _card(notice: Notice) -> dict[str, object]:
    lines = [{"type": "TextBlock", "text": _plain(line), "wrap": True} for line in notice.text.split("\n") if line]
    card: dict[str, object] = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.4",
        "body": [
            {"type": "TextBlock", "text": _plain(one_line(notice.subject)), "weight": "Bolder", "wrap": True},
            *lines,
        ],
    }
    if notice.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open in Isthmus", "url": notice.link}]
    return card


def _slack(text: str) -> str:
    """Slack's own escapes: without them a name could mention everybody or hide a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str) -> str:
    """Cards read Markdown: what would be markup is escaped."""
    return re.sub(r"([\\`*_\[\]()#|<>])", r"\\\1", text)
