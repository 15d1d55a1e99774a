"""The operator's file of channels: to whom notices go. It holds secrets, so nobody but its owner may read it.

```yaml
version: 1
smtp: smtps://isthmus:password@mail.acme.com      # or ISTHMUS_SMTP_URL; STARTTLS where it begins with smtp://
from: isthmus@acme.com
channels:
  ops: {mail: [ops@acme.com], digest: daily, zone: Europe/Berlin}
  chat: {slack: "https://hooks.slack.com/services/…"}
  office: {teams: "https://….webhook.office.com/…", events: [failure]}
  pager: {webhook: "https://alerts.acme.lan/isthmus", private: yes, secret: "for the signature", tenant: Acme}
  cfo: {mail: [cfo@acme.com], events: [audit], audit: {orgs: [prod], attach: [pdf, xlsx], monthly: yes}}
```
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, Literal, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import yaml
from msgspec import Meta, Struct

from isthmus.egress.outside import HookAddress, MailServer, OutsideRefused, read_hook, read_mail_server
from isthmus.values import Secret

FILE_BYTES_MAX: Final = 64 * 1024
CHANNELS_MAX: Final = 32
EVENTS: Final = ("failure", "recovery", "anomaly", "digest", "audit")
_ADDRESS = re.compile(r"[^\s@<>\"(),:;\\]{1,64}@[A-Za-z0-9.-]{1,190}")
_YES: Final = frozenset({"yes", "true"})
Event = Literal["failure", "recovery", "anomaly", "digest", "audit"]
_YesNo = Literal["yes", "no", "true", "false"]


class ChannelKind(StrEnum):
    """In which form a channel is told."""

    MAIL = "mail"
    WEBHOOK = "webhook"
    SLACK = "slack"
    TEAMS = "teams"


class ChannelsRefused(Exception):
    """The file cannot be used; the message says where and what to do, and repeats nothing secret."""


@dataclass(frozen=True, slots=True)
class AuditWish:
    """What a channel is told of audits. `orgs`: by alias, none for all. `monthly`: the day of the finance summary.

    `attach`: documents that go along by mail. They have names of people, so only a channel with an `audit` of its own
    gets any.
    """

    orgs: frozenset[str] = frozenset()
    attach: tuple[str, ...] = ()
    results: bool = True
    manual: bool = False
    monthly: int | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    """Whom to tell, how, of what. `tenant`: name or id of the only tenant that it is for; None: every tenant."""

    name: str
    kind: ChannelKind
    events: frozenset[str]
    digest: str | None
    zone: ZoneInfo
    tenant: str | None = None
    recipients: tuple[str, ...] = ()
    hook: HookAddress | None = None
    secret: Secret | None = None
    audit: AuditWish = AuditWish()

    @property
    def key(self) -> int:
        """A number that stands for the name where no text may be written; it fits into 63 bits."""
        return int.from_bytes(sha256(self.name.encode()).digest()[:8], "big") >> 1

    def serves(self, tenant_id: str, tenant_name: str) -> bool:
        """Whether notices of that tenant go here."""
        return self.tenant is None or self.tenant in {tenant_id, tenant_name}


@dataclass(frozen=True, slots=True)
class Channels:
    """All channels, and the mail server for those that need one."""

    channels: tuple[Channel, ...] = ()
    server: MailServer | None = None
    sender: str = ""


class _Audit(Struct, frozen=True, forbid_unknown_fields=True):
    orgs: tuple[Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")], ...] = ()
    attach: tuple[Literal["pdf", "xlsx"], ...] | None = None
    results: _YesNo = "yes"
    manual: _YesNo = "no"
    monthly: Annotated[str, Meta(pattern=r"^(yes|no|true|false|[1-9]|1[0-9]|2[0-8])$")] = "no"


class _Channel(Struct, frozen=True, forbid_unknown_fields=True):
    mail: tuple[str, ...] = ()
    webhook: str | None = None
    slack: str | None = None
    teams: str | None = None
    private: _YesNo = "no"
    secret: str | None = None
    events: tuple[Event, ...] = EVENTS
    digest: Literal["daily", "weekly"] | None = None
    zone: str = "UTC"
    tenant: str | None = None
    audit: _Audit | None = None


_Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,39}$")]


class _File(Struct, frozen=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    version: Literal["1"]
    channels: Annotated[dict[_Name, _Channel], Meta(max_length=CHANNELS_MAX)] = {}
    smtp: str | None = None
    sender: str = ""


def load_channels(file: Path, smtp_url: Secret | None = None) -> Channels:
    """Return the channels of the operator's file; none if there is no file. Raises `ChannelsRefused`."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return Channels()
    except OSError:
        _refuse(f"{file} cannot be read", "Make its owner the user that runs Isthmus.")
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        _refuse(f"{file} may be read by others, and it holds secrets", f"Run: chmod 600 {file}")
    if found.st_size > FILE_BYTES_MAX:
        _refuse(f"{file} is longer than 64 KiB", "Make it shorter.")
    return read_channels(file.read_text(encoding="utf-8"), smtp_url)


def read_channels(text: str, smtp_url: Secret | None = None) -> Channels:
    """Return the channels that `text` describes. Raises `ChannelsRefused`."""
    try:
        tree: object = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - texts, lists and mappings only
        file = msgspec.convert(tree, _File)
    except yaml.YAMLError:
        _refuse("the file of channels is not YAML", "Check indentation, colons and quotes.")
    except msgspec.ValidationError as error:
        # msgspec names keys and types, never a value.
        _refuse(f"the file of channels: {error}", "Compare it with the example in docs/notices.md.")
    channels = tuple(_channel(name, given) for name, given in file.channels.items())
    smtp = smtp_url.reveal_text() if smtp_url is not None else file.smtp
    mails = [channel for channel in channels if channel.kind is ChannelKind.MAIL]
    if mails and smtp is None:
        _refuse(f"channel {mails[0].name} is mail, and no mail server is named", "Set `smtp`, or ISTHMUS_SMTP_URL.")
    if mails and _ADDRESS.fullmatch(file.sender) is None:
        _refuse("`from` is not a mail address", "Set it to the address that notices come from.")
    try:
        server = read_mail_server(smtp) if smtp is not None else None
    except OutsideRefused as refused:
        _refuse(f"the mail server cannot be used: {refused}", "For example smtps://user:password@mail.acme.com")
    return Channels(channels, server, file.sender)


def _channel(name: str, given: _Channel) -> Channel:
    ways = {kind: getattr(given, kind.value) for kind in ChannelKind if getattr(given, kind.value)}
    if len(ways) != 1:
        _refuse(f"channel {name} needs exactly one of mail, webhook, slack and teams", "Keep one of them.")
    (kind,) = ways
    private = given.private in _YES
    hook = None
    if kind is ChannelKind.MAIL:
        if not all(_ADDRESS.fullmatch(address) for address in given.mail):
            _refuse(f"channel {name}: `mail` is a list of mail addresses", "For example mail: [ops@acme.com]")
    else:
        try:
            hook = read_hook(ways[kind], private=private)
        except OutsideRefused as refused:
            _refuse(f"channel {name}: {refused}", "Copy the whole address from where the webhook was made.")
    try:
        zone = ZoneInfo(given.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        _refuse(f"channel {name}: the zone is not one of the IANA list", "For example Europe/Berlin.")
    return Channel(
        name=name,
        kind=kind,
        events=frozenset(given.events),
        digest=given.digest if "digest" in given.events else None,
        zone=zone,
        tenant=given.tenant,
        recipients=given.mail,
        hook=hook,
        secret=Secret(given.secret) if given.secret else None,
        audit=_audit(name, given, kind),
    )


def _audit(name: str, given: _Channel, kind: ChannelKind) -> AuditWish:
    if given.audit is None:
        return AuditWish()
    wish = given.audit
    if "audit" not in given.events:
        _refuse(f"channel {name} says how it wants audits, but `events` leaves them out", "Add audit to its events.")
    if kind is not ChannelKind.MAIL and wish.attach:
        _refuse(f"channel {name}: only a mail can carry documents", "Leave `attach` out; the notice has a link.")
    usual = ("pdf",) if kind is ChannelKind.MAIL else ()
    monthly = {"yes": 1, "true": 1, "no": None, "false": None}
    return AuditWish(
        orgs=frozenset(wish.orgs),
        attach=usual if wish.attach is None else wish.attach,
        results=wish.results in _YES,
        manual=wish.manual in _YES,
        monthly=monthly[wish.monthly] if wish.monthly in monthly else int(wish.monthly),
    )


def _refuse(what: str, remedy: str) -> NoReturn:
    message = f"{what[0].upper()}{what[1:]}. {remedy}"
    raise ChannelsRefused(message)
